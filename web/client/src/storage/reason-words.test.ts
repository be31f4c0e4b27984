import { describe, expect, it } from 'vitest'
import { catalogue } from '../catalogue'
import type { Decision } from '../api/storage'
import type { Language, Values } from '../language'
import { reasonWord, whySentence } from './reason-words'

const CODES = [
  'complete', 'backfilled', 'grew', 'copies', 'due', 'pressure', 'receiving', 'rejected', 'quiet', 'young', 'recent', 'held',
  'uncovered', 'unverified', 'retained', 'legal-hold', 'over',
]
const AT = 1_770_000_000_000_000
const FIGURES = {
  last_at: AT, archive_at: AT, last_used: AT, due_at: AT, over_at: AT, to_free: 3_000_000_000, hours: 24, instances: 96, verified: 1,
  wanted: 2, holds: 3, years: 30,
}

function decided(reason: string, figures: Record<string, number> = FIGURES): Decision {
  return { decision: 'keep', reason, rule: 'CT', figures, hold: null, nextAt: null, decidedAt: null, words: '', failures: 0 }
}

/** As i18next puts values in. */
function speaking(language: Language) {
  return (key: keyof typeof catalogue, values: Values = {}) =>
    catalogue[key][language].replace(/\{\{(\w+)\}\}/g, (_, name: string) => String(values[name]))
}

describe.each<Language>(['zh', 'en'])('reasons in %s', (language) => {
  it.each(CODES)('say %s with all its figures', (code) => {
    const sentence = whySentence(decided(code), speaking(language), language, AT)
    expect(sentence).not.toBe(code)
    expect(sentence).not.toMatch(/undefined|\{\{/)
    expect(reasonWord(code, speaking(language))).not.toBe(code)
  })

  it('are said without a figure that did not come', () => {
    expect(whySentence(decided('copies', {}), speaking(language), language, AT)).toContain('–')
  })

  it('keep the code of one that is not known here', () => {
    expect(whySentence(decided('of-tomorrow'), speaking(language), language, AT)).toBe('of-tomorrow')
  })
})
