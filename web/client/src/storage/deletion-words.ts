/** Words for codes of deletions; one of a later version keeps its code. Pure. */

import { catalogue, type Key } from '../catalogue'
import type { Text } from '../language'

/** Why a study is to go. */
export function codeWord(code: string, text: Text): string {
  return wordOf(`deletionCode.${code}`, code, text)
}

/** Why a peer keeps its copy. */
export function keptWord(code: string, text: Text): string {
  return wordOf(`deletionKept.${code}`, code, text)
}

function wordOf(key: string, code: string, text: Text): string {
  return key in catalogue ? text(key as Key) : code
}
