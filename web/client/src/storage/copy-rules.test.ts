import { describe, expect, it } from 'vitest'
import type { CopyRule } from '../api/storage'
import { fieldsOf, moved, ruleOf, same, wrongName, wrongOrder } from './copy-rules'

const RULE: CopyRule = {
  name: 'CT',
  modalities: ['CT'],
  departments: [],
  olderThanMonths: null,
  youngerThanMonths: 12,
  atLeastBytes: 1_500_000,
  lessThanBytes: null,
  archiveAfterHours: 24,
  expireAfterMonths: 6,
  copies: 2,
  profile: 'small',
  retention: '20y',
  deletes: false,
}
const LIMITS = { onlineBytes: 0, reserveBytes: 0, pressurePercent: 90, relievedPercent: 88, floorHours: 24, outpatientYears: 15, inpatientYears: 30, priors: 3, priorsBytes: 4e9 }
const all = (name: string): CopyRule => ({ ...RULE, name, modalities: [], youngerThanMonths: null, atLeastBytes: null })

describe('a rule for copies', () => {
  it('comes back from its form as it was', () => {
    for (const retention of ['20y', 'by care', 'legal hold']) {
      expect(ruleOf(fieldsOf({ ...RULE, retention }))).toEqual({ ...RULE, retention })
    }
  })

  it('has a name of its own', () => {
    expect(wrongName(' CT ', [RULE])).toBe('copyRules.nameTaken')
    expect(wrongName('default', [])).toBe('copyRules.nameTaken')
    expect(wrongName(' ', [])).toBe('form.missing')
    expect(wrongName('MR', [RULE])).toBeNull()
  })

  it('may not stand behind one that fits every study', () => {
    expect(wrongOrder([RULE, all('rest')])).toBeNull()
    expect(wrongOrder([all('rest'), RULE])).toEqual({ key: 'copyRules.behind', values: { rule: 'CT', all: 'rest' } })
  })

  it('moves a place, and back', () => {
    const rules = [RULE, all('a'), all('b')]
    expect(moved(rules, 0, 1).map((rule) => rule.name)).toEqual(['a', 'CT', 'b'])
    expect(moved(moved(rules, 0, 1), 1, -1)).toEqual(rules)
  })

  it('is the same list when nothing differs but its version', () => {
    expect(same({ version: 1, rules: [RULE], limits: LIMITS }, { version: 2, rules: [{ ...RULE }], limits: LIMITS })).toBe(true)
    expect(same({ version: 1, rules: [RULE], limits: LIMITS }, { version: 1, rules: [], limits: LIMITS })).toBe(false)
  })
})
