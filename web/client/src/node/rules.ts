/** A rule of admission as its form holds it and as the node takes it. */

import type { Device, RuleKey } from '../api/administration'
import type { ApiError } from '../api/client'
import type { Key } from '../catalogue'

export const ANY = '*'
export const READS = ['nothing', 'own', 'every-origin'] as const
export type Reads = (typeof READS)[number]

export interface RuleFields {
  calling: string
  address: string
  called: string
  certificateKind: 'any' | 'some' | 'one'
  certificate?: string
  admitted: boolean
  issuer?: string
  trustIssuer: boolean
  department?: string
  classes: string[]
  others: boolean
  atOnce: number | null
  reads: Reads
}

/** Whom a device's rule is for, in the node's words. */
export function keyOf({ calling, address, certificate, forCalled }: Device): RuleKey {
  return { calling, address, certificate, called: forCalled }
}

/** What the form begins with; a device that only waits begins as one to be let in. */
export function fieldsOf(device: Device | null, issuer: string): RuleFields {
  if (!device) {
    const whom = { calling: '', address: '', called: ANY, certificateKind: 'any' as const }
    return { ...whom, admitted: true, issuer, trustIssuer: false, classes: [ANY], others: true, atOnce: 0, reads: 'nothing' }
  }
  const { certificate, shown, rule } = device
  const kind = certificate === ANY ? 'any' : certificate === 'some' ? 'some' : 'one'
  return {
    calling: device.calling,
    address: device.address,
    called: device.forCalled,
    certificateKind: kind,
    certificate: kind === 'one' ? certificate : shown,
    admitted: rule !== 'blocked',
    issuer: device.issuer || issuer,
    trustIssuer: device.trustIssuer,
    department: device.department,
    classes: device.classes,
    others: device.others,
    atOnce: device.atOnce,
    reads: device.reads,
  }
}

/** The body of a change; `replaces` says which rule was opened, for when it is for others now. */
export function bodyOf(fields: RuleFields, opened: Device | null): object {
  const { certificateKind, certificate, atOnce, ...rest } = fields
  return {
    ...rest,
    issuer: fields.issuer ?? '',
    department: fields.department ?? '',
    certificate: certificateKind === 'one' ? (certificate ?? '') : certificateKind === 'some' ? 'some' : ANY,
    atOnce: atOnce ?? 0,
    version: opened?.version ?? 0,
    replaces: opened ? keyOf(opened) : null,
  }
}

const WRONG: Record<string, Key> = {
  calling: 'ruleWrong.calling',
  address: 'ruleWrong.address',
  called: 'ruleWrong.called',
  certificate: 'ruleWrong.certificate',
  issuer: 'ruleWrong.words',
  department: 'ruleWrong.words',
  classes: 'ruleWrong.classes',
  atOnce: 'ruleWrong.atOnce',
}

/** Which field the node refuses and what to say there; null when it is no field of a rule. */
export function wrongField(error: ApiError): { draft: boolean; field: string; words: Key } | null {
  const { field: named } = error.details
  if (error.status !== 422 || typeof named !== 'string') return null
  const field = named.replace('draft.', '')
  const words = WRONG[field]
  return words ? { draft: named !== field, field, words } : null
}
