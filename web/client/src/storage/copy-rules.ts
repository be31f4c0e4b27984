/** A rule for copies as its form holds it, what is wrong with a list of them, and how far a list was changed. Pure. */

import type { CopyRule, RulesBody } from '../api/storage'
import type { Key } from '../catalogue'
import type { Values } from '../language'

export const BY_CARE = 'by care'
export const LEGAL_HOLD = 'legal hold'
export const LEAST_YEARS = 15
export const MOST_YEARS = 999
export const MOST_HOURS = 24 * 366
export const MOST_MONTHS = 1200
export const MOST_COPIES = 9
export const MOST_PRIORS = 20
/** The name of the rule that stands behind all others. */
export const DEFAULT = 'default'
const MEGABYTE = 1e6

export interface RuleFields {
  name: string
  modalities: string[]
  departments: string[]
  olderThanMonths?: number | null
  youngerThanMonths?: number | null
  /** In megabytes. */
  atLeast?: number | null
  lessThan?: number | null
  archiveAfterHours: number
  expireAfterMonths: number
  copies: number
  profile: CopyRule['profile']
  retention: 'care' | 'years' | 'legal'
  years?: number | null
  deletes: boolean
}

/** What the form begins with. */
export function fieldsOf(rule: CopyRule): RuleFields {
  const years = /^(\d+)y$/.exec(rule.retention)?.[1]
  const { retention, atLeastBytes, lessThanBytes, ...same } = rule
  return {
    ...same,
    atLeast: atLeastBytes === null ? null : atLeastBytes / MEGABYTE,
    lessThan: lessThanBytes === null ? null : lessThanBytes / MEGABYTE,
    retention: retention === LEGAL_HOLD ? 'legal' : years ? 'years' : 'care',
    years: years ? Number(years) : LEAST_YEARS,
  }
}

/** The rule that a form says. */
export function ruleOf(fields: RuleFields): CopyRule {
  const { retention, years, atLeast, lessThan, olderThanMonths, youngerThanMonths, ...same } = fields
  const bytes = (value?: number | null) => (value === null || value === undefined ? null : Math.round(value * MEGABYTE))
  return {
    ...same,
    name: fields.name.trim(),
    olderThanMonths: olderThanMonths ?? null,
    youngerThanMonths: youngerThanMonths ?? null,
    atLeastBytes: bytes(atLeast),
    lessThanBytes: bytes(lessThan),
    retention: retention === 'legal' ? LEGAL_HOLD : retention === 'years' ? `${years ?? LEAST_YEARS}y` : BY_CARE,
  }
}

/** Whether there are studies that a rule does not fit. */
export function narrows(rule: CopyRule): boolean {
  const bounds = [rule.olderThanMonths, rule.youngerThanMonths, rule.atLeastBytes, rule.lessThanBytes]
  return rule.modalities.length > 0 || rule.departments.length > 0 || bounds.some((bound) => bound !== null)
}

/** What the node would refuse about the order of a list, by the name of the rule; null when nothing. */
export function wrongOrder(rules: CopyRule[]): { key: Key; values: Values } | null {
  const all = rules.findIndex((rule) => !narrows(rule))
  const behind = all < 0 ? undefined : rules[all + 1]
  if (!behind) return null
  return { key: 'copyRules.behind', values: { rule: behind.name, all: rules[all]?.name ?? '' } }
}

/** What is wrong with a rule's name among others. */
export function wrongName(name: string, others: CopyRule[]): Key | null {
  const bare = name.trim()
  if (!bare) return 'form.missing'
  if (bare === DEFAULT || others.some((each) => each.name === bare)) return 'copyRules.nameTaken'
  return null
}

/** A list with one rule moved a place up or down. */
export function moved(rules: CopyRule[], at: number, step: -1 | 1): CopyRule[] {
  const changed = [...rules]
  const [rule] = changed.splice(at, 1)
  if (rule) changed.splice(at + step, 0, rule)
  return changed
}

export function same(one: RulesBody, other: RulesBody): boolean {
  const bare = ({ rules, limits }: RulesBody) => JSON.stringify([rules, limits])
  return bare(one) === bare(other)
}
