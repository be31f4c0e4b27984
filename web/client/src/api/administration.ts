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

export interface Device {
  calling: string
  address: string
  called: string
  rule: 'unknown' | 'admitted' | 'blocked'
  issuer: string
  department: string
  firstAt: Micros
  lastAt: Micros
  refusals: number
}

export interface Destination {
  id: string
  name: string
  aet: string
  host: string
  port: number
  enabled: boolean
  /** What its editor saw; a change upon an older one is refused. */
  version: number
}

export interface Problem {
  id: string
  kind: string
  subject: string
  detail: string
  at: Micros
  seenAt: Micros | null
}
