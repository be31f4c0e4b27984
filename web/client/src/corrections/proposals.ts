/** Proposals as the dialog takes them: where a correction is looked at, and where it is made. */

import { get, post } from '../api/client'
import type { Key } from '../catalogue'
import type { Text } from '../language'
import type { Proposal } from './correct-dialog'
import type { Ask, Correction, Preview } from './types'

export function proposalOf(address: string, ask: Ask, words: Omit<Proposal, 'preview' | 'make'>): Proposal {
  return {
    ...words,
    preview: () => post<Preview>(`${address}/preview`, ask),
    make: (reason, seen) => post(address, { ...ask, reason, seen }),
  }
}

/** Taking a correction back: of a merge and a rejection it has a name of its own. */
export function undoProposal(correction: Correction, text: Text): Proposal {
  const address = `/api/corrections/${correction.id}/undo`
  const name = text(undoKey(correction.kind))
  return {
    title: name,
    explained: text('undo.how'),
    confirm: text('correct.confirm', { act: name }),
    preview: () => get<Preview>(address),
    make: (reason, seen) => post(address, { reason, seen }),
  }
}

export function undoKey(kind: Correction['kind']): Key {
  if (kind === 'merge') return 'undo.merge'
  return kind === 'reject' || kind === 'note' ? 'undo.reject' : 'undo.other'
}
