/** Why a study's copies stay or go, in a sentence with its figures. Pure; a reason of a later version keeps its code. */

import type { Decision, Hold } from '../api/storage'
import type { Micros } from '../api/types'
import { catalogue, type Key } from '../catalogue'
import type { Language, Text, Values } from '../language'
import { byteSize, count } from '../shown/size'
import { clock, dayWord } from '../shown/times'

const MISSING = '–'
const TIMES = ['last_at', 'archive_at', 'last_used']
const DAYS = ['due_at', 'over_at']
const COUNTS = ['hours', 'instances', 'verified', 'wanted', 'holds', 'years']

/** The sentence of a decision's reason. */
export function whySentence(decision: Decision, text: Text, language: Language, now: Micros): string {
  const key = known(`why.${decision.reason}`)
  return key ? text(key, valuesOf(decision, text, language, now)) : decision.reason
}

/** A few words for the same, where many studies share it. */
export function reasonWord(reason: string, text: Text): string {
  const key = known(`reason.${reason}`)
  return key ? text(key) : reason
}

/** What somebody needs a study for. */
export function holdWord(hold: Hold, text: Text): string {
  const key = known(`hold.${hold.reason}`)
  return key ? text(key) : hold.reason
}

/** Why a study was asked back. */
export function recallWord(why: string, text: Text): string {
  const key = known(`recallWhy.${why}`)
  return key ? text(key) : why
}

function valuesOf({ figures, hold }: Decision, text: Text, language: Language, now: Micros): Values {
  const values: Values = { hold: hold ? holdWord(hold, text) : MISSING }
  for (const name of TIMES) values[camel(name)] = figures[name] === undefined ? MISSING : clock(figures[name], now, language)
  for (const name of DAYS) values[camel(name)] = figures[name] === undefined ? MISSING : dayWord(figures[name], language)
  for (const name of COUNTS) values[camel(name)] = figures[name] === undefined ? MISSING : count(figures[name], language)
  values.toFree = figures.to_free === undefined ? MISSING : byteSize(figures.to_free, language)
  return values
}

function camel(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function known(key: string): Key | null {
  return key in catalogue ? (key as Key) : null
}
