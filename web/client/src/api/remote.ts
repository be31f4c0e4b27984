/** Remote AEs, what they answer, and studies on their way to and from them. */

import type { Micros } from './types'

/** What only an administrator reads and changes. */
export interface Remote {
  id: string
  name: string
  aet: string
  host: string
  port: number
  tls: boolean
  calling: string
  charset: string
  retrieveBy: 'auto' | 'get' | 'move'
  reports: boolean
  query: boolean
  send: boolean
  worklist: boolean
  /** Of the Patient IDs in its worklist; empty: the hospital's own. */
  issuer: string
  enabled: boolean
  /** What its editor saw; a change upon an older one is refused. */
  version: number
}

export interface Echo {
  ok: boolean
  message: string
  ms: number
}

export interface RemoteName {
  id: string
  name: string
  aet: string
  query: boolean
  send: boolean
}

export interface FoundStudy {
  /** Empty when it said none: such a study cannot be fetched. */
  studyUid: string
  patientName: string
  patientId: string
  sex: string
  birthDate: string
  studyDate: string
  studyTime: string
  accession: string
  modalities: string
  description: string
  institution: string
  series: string
  instances: string
  /** Instances of it that are held here. */
  here: number
}

export interface FoundStudies {
  items: FoundStudy[]
  complete: boolean
  unreadable: number
  keysIgnored: boolean
}

export interface Transfer {
  id: string
  kind: 'send' | 'get'
  remoteName: string
  origin: string
  studyUid: string
  series: number
  /** The patient's name as written, a tab, her ID. */
  label: string
  byName: string
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'
  stopping: boolean
  asked: number | null
  done: number
  warned: number
  failed: number
  bytes: number
  words: string
  attempts: number
  nextAt: Micros
  at: Micros
  beganAt: Micros | null
  endedAt: Micros | null
}

export interface Transfers {
  items: Transfer[]
  now: Micros
}

/** What a worklist said of a day at the last look. */
export interface Look {
  /** ISO 8601. */
  day: string
  at: Micros
  state: 'done' | 'failed'
  patients: number
  /** Of whom studies are held here. */
  known: number
  /** Asked back for them. */
  studies: number
  whole: boolean
  /** Answers that could not be read, or name nobody. */
  unreadable: number
  words: string
}

export interface Worklist {
  remote: string
  name: string
  enabled: boolean
  /** The newest day first. */
  looks: Look[]
}

export interface Worklists {
  items: Worklist[]
  /** Null: never by themselves. */
  nextAt: Micros | null
  now: Micros
}
