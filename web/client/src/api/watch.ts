/** How the tiers grow, what comes next, whom studies are held for, what was checked and backed up: as the node says it. */

import type { Micros } from './types'

export interface Alarm {
  kind: string
  subject: string
  raisedAt: Micros
  figures: Record<string, number>
}

export interface Growth {
  dailyBytes: number
  since: Micros
}

/** `online`, `archive`, or `store/NAME`. */
export interface Place {
  place: string
  studies: number
  bytes: number
  roomBytes: number | null
  at: Micros
  month: Growth | null
  quarter: Growth | null
  fullAt: Micros | null
}

export interface Point {
  at: Micros
  onlineBytes: number | null
  archiveBytes: number | null
}

export interface Retention {
  years: number
  studies: number
  bytes: number
  firstAt: Micros
}

export interface Outlook {
  places: Place[]
  history: Point[]
  ahead: Point[]
  madeAt: Micros | null
  aheadStudies: number
  arrivingBytes: number
  limitBytes: number
  limitReserveBytes: number
  roomBytes: number
  reserveBytes: number
  sharesDisk: boolean
  onlineFullAt: Micros | null
  onlineFullBy: '' | 'limit' | 'disk'
  leavingStudies: number
  leavingBytes: number
  retention: Retention[]
  over: number
  now: Micros
}

/** A study in a list; `label` is empty for who may not see it: patient's name as written, a tab, her ID. */
export interface Named {
  origin: string
  studyUid: string
  label: string
  modalities: string[]
}

export interface Leaving extends Named {
  bytes: number
  at: Micros
}

export interface Held extends Named {
  reason: string
  who: string
  until: Micros | null
  bytes: number
}

export interface HeldFor {
  reason: string
  holds: number
  studies: number
  bytes: number
  keepsOnline: boolean
}

export interface Page<T> {
  items: T[]
  next: string | null
}

export interface HeldPage extends Page<Held> {
  reasons: HeldFor[]
}

export interface Coverage {
  count: number
  bytes: number
  recent: number
  recentBytes: number
  /** In microseconds. */
  oldestAge: number | null
  damaged: number
  healed: number
  lost: number
}

export interface Backup {
  at: Micros
  backup: string
  place: string
  files: number
  bytes: number
  newBytes: number
}

export interface Drill {
  at: Micros
  backup: string
  madeAt: Micros
  studies: number
  instances: number
  differences: number
  seconds: number
}

export interface Checks {
  online: Coverage
  archive: Coverage
  recentDays: number
  scrubMbS: number
  scrubDays: number
  backups: Backup[]
  withinDays: number
  drills: Drill[]
  drillWithinDays: number
  state: string
  now: Micros
}
