/** Final deletion: what may go, what was asked for, what is left, who answered. */

import type { Micros } from './types'

export interface NamedStudy {
  origin: string
  studyUid: string
  /** The patient's name as written, a tab, her ID; empty for who may not see the study. */
  label: string
  modalities: string[]
  instances: number
  bytes: number
}

export interface PastRetention {
  study: NamedStudy
  since: Micros
  rule: string
}

export interface PeerAnswer {
  peer: string
  state: 'due' | 'told' | 'deleted' | 'kept'
  code: string
  at: Micros | null
}

export interface Left {
  kind: 'copy' | 'pack' | 'file' | 'text' | 'strays' | 'log'
  store: string
  things: number
  words: string
}

export interface Deletion {
  study: NamedStudy
  id: string
  state: 'asked' | 'deleted' | 'done' | 'kept' | 'withdrawn' | 'lapsed'
  code: string
  words: string
  askedBy: string
  askedAt: Micros
  standsUntil: Micros
  endedBy: string
  endedAt: Micros | null
  doneAt: Micros | null
  issue: number
  left: Left[]
  peers: PeerAnswer[]
  mine: boolean
}

export interface Deletions {
  past: PastRetention[]
  asked: Deletion[]
  going: Deletion[]
  done: Deletion[]
  now: Micros
}

/** What would go, from where, and who is told. */
export interface Going {
  study: NamedStudy
  series: number
  packs: number
  stores: string[]
  reports: number
  cases: number
  peers: string[]
  rule: string
  years: number | null
  until: Micros | null
  over: boolean
  /** What keeps the study, in the node's words; empty when nothing does. */
  barred: string
}

export const DELETIONS = '/api/archive/deletions'
export const REASONS = ['retention-over', 'person-asked', 'mistaken', 'test', 'ordered'] as const
