/** What only a node administrator reads and changes. */

import type { Micros, Role } from './types'

export interface User {
  id: string
  user: string
  name: string
  roles: Role[]
  state: 'active' | 'disabled'
  pools?: string[]
  lockedUntil?: Micros
}

export interface OneTimePassword {
  person: User
  password: string
}

export type Grant = 'nothing' | 'referred' | 'metadata' | 'everything'

export interface Policy {
  grant: Grant
  /** Empty means all. */
  modalities: string[]
  departments: string[]
}

export interface Peer {
  id: string
  name: string
  role: string
  state: string
  since: Micros
  lastOk: Micros
  nextTry: Micros
  error: string
  waiting: { envelopes: number; studies: number; oldestAt: Micros | null }
  policy: Policy
  fingerprint: string
}

export interface Alliance {
  node: { id: string; name: string; fingerprint?: string }
  listen: string
  peers: Peer[]
}

/** Whom a rule is for; `*` stands for any, `some` for whichever certificate is trusted. */
export interface RuleKey {
  calling: string
  address: string
  certificate: string
  called: string
}

/** A device that called, or a rule for some. */
export interface Device {
  name: string
  calling: string
  address: string
  certificate: string
  forCalled: string
  rule: 'unknown' | 'admitted' | 'blocked'
  /** What its editor saw; a change upon an older one is refused. */
  version: number
  issuer: string
  trustIssuer: boolean
  department: string
  classes: string[]
  others: boolean
  atOnce: number
  reads: 'nothing' | 'own' | 'every-origin'
  called: string
  shown: string
  firstAt: Micros
  lastAt: Micros
  refusals: number
}

export interface DeviceList {
  items: Device[]
  /** AE titles of this node. */
  called: string[]
  families: string[]
}

/** What the rules would decide; `version` 0: the deciding rule is not saved. */
export interface Verdict {
  outcome: 'admitted' | 'unknown' | 'blocked' | 'called' | 'sop-class'
  rule: string
  version: number
  words: string
}

export interface Problem {
  id: string
  kind: string
  subject: string
  detail: string
  at: Micros
  seenAt: Micros | null
}
