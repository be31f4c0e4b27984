/** The two tiers, what is on its way back, and the rules for copies. */

import type { Micros } from './types'

export type TierName = 'online' | 'both' | 'archived'
/** Of one study; `part`: in the archive, and a part of it online. */
export type Place = TierName | 'part'

export interface Tier {
  tier: TierName
  studies: number
  originalBytes: number
  packageBytes: number
}

export interface Store {
  name: string
  configured: boolean
  answers: boolean
  /** Null where nobody knows. */
  roomBytes: number | null
  /** Why it does not answer; empty where it is silent. */
  words: string
  bytes: number
  verified: number
  damaged: number
  gone: number
  oldestVerifiedAt: Micros | null
}

/** The last time that the online tier was too large, and what came of it. */
export interface Pressure {
  at: Micros
  wantedBytes: number
  freedBytes: number
  shortBytes: number
  barred: { reason: string; studies: number; bytes: number }[]
  /** Null: it is still too large. */
  endedAt: Micros | null
}

export interface Archive {
  tiers: Tier[]
  stores: Store[]
  reasons: { reason: string; studies: number }[]
  /** 0: no limit is set. */
  onlineLimitBytes: number
  onlineRoomBytes: number
  copies: number
  waiting: number
  running: number
  pressure: Pressure | null
  now: Micros
}

export interface Ticket {
  id: string
  origin: string
  studyUid: string
  /** Of a recall of one series; empty: of all. */
  seriesUid: string
  /** The patient's name as written, a tab, her ID; empty for who may not see the study. */
  label: string
  modalities: string[]
  who: string
  why: string
  state: 'waiting' | 'running' | 'done' | 'failed'
  instances: number
  done: number
  bytes: number
  words: string
  at: Micros
  beganAt: Micros | null
  endedAt: Micros | null
  /** Among those that wait, from 1. */
  position: number
  /** How long until it is done; null while nothing is measured. */
  left: Micros | null
}

export interface Tickets {
  items: Ticket[]
  next: string | null
  bytesPerSecond: number | null
  now: Micros
}

export interface CopyRule {
  name: string
  modalities: string[]
  departments: string[]
  olderThanMonths: number | null
  youngerThanMonths: number | null
  atLeastBytes: number | null
  lessThanBytes: number | null
  archiveAfterHours: number
  expireAfterMonths: number
  copies: number
  profile: 'small' | 'fast'
  /** `by care`, `legal hold`, or years such as `15y`. */
  retention: string
  deletes: boolean
}

export interface Limits {
  onlineBytes: number
  reserveBytes: number
  pressurePercent: number
  relievedPercent: number
  floorHours: number
  outpatientYears: number
  inpatientYears: number
  /** So many earlier studies come back when a consult is asked for; 0: none. */
  priors: number
  priorsBytes: number
}

/** What a change sends; `version` is the one that was changed. */
export interface RulesBody {
  version: number
  rules: CopyRule[]
  limits: Limits
}

export interface CopyRules extends RulesBody {
  at: Micros
  by: string
  others: CopyRule
  stores: number
  modalities: string[]
  departments: string[]
}

export interface Hold {
  reason: string
  who: string
  until: Micros | null
}

export interface Decision {
  decision: 'archive' | 'expire' | 'keep' | 'may-be-deleted'
  reason: string
  rule: string
  figures: Record<string, number>
  hold: Hold | null
  nextAt: Micros | null
  decidedAt: Micros | null
  /** Why it could not be done when that was tried last; empty when it could. */
  words: string
  /** How often in a row it could not. */
  failures: number
}

export interface Course {
  rule: string
  archiveAt: Micros | null
  expireAt: Micros | null
  retainedUntil: Micros | null
  copies: number
  profile: 'small' | 'fast'
  decision: Decision
}

export type Effect = 'same' | 'earlier' | 'later' | 'newly' | 'no-longer'

export interface Difference {
  origin: string
  studyUid: string
  label: string
  modalities: string[]
  bytes: number
  firstAt: Micros
  archive: Effect
  expire: Effect
  atOnce: boolean
  before: Course
  after: Course
}

export interface Trial {
  since: Micros
  studies: number
  whole: boolean
  differing: number
  archive: Partial<Record<Effect, number>>
  expire: Partial<Record<Effect, number>>
  atOnce: number
  atOnceBytes: number
  items: Difference[]
}

export interface Copy {
  store: string
  state: 'verified' | 'damaged' | 'gone'
  bytes: number
  verifiedAt: Micros
}

export interface Package {
  generation: number
  digest: string
  instances: number
  bytes: number
  originalBytes: number
  at: Micros
  copies: Copy[]
}

/** Where one study lies and why. */
export interface StudyStorage {
  tier: Place
  bytes: number
  packages: Package[]
  decision: Decision | null
  holds: Hold[]
  recalls: Ticket[]
  now: Micros
}
