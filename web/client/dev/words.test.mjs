import { expect, test } from 'vitest'
import { entryFaults, findHardCoded, stringsOf } from './words.mjs'

const textsOf = (code) => findHardCoded(code, 'planted.tsx').map(({ text }) => text)

test('planted text between tags is caught, in either language', () => {
  expect(textsOf('const a = <p>Sign in</p>')).toEqual(['Sign in'])
  expect(textsOf('const a = <p>登录</p>')).toEqual(['登录'])
})

test('planted text in an attribute that a person reads is caught', () => {
  expect(textsOf('const a = <input placeholder="Name" className="wide" />')).toEqual(['Name'])
})

test('planted Chinese text is caught wherever it stands', () => {
  expect(textsOf("const a = { x: '急' }")).toEqual(['急'])
})

test('punctuation, numbers and class names are no text', () => {
  expect(textsOf('const a = <p className="quiet"> · 12 – {value}</p>')).toEqual([])
})

test('keys and the beginnings of templates are found', () => {
  const { whole, beginnings } = stringsOf('const a = [text("a.b"), text(`c.${d}`)]', 'planted.ts')
  expect([whole.has('a.b'), beginnings.has('c.')]).toEqual([true, true])
})

test('an entry without one language, or with other values in it, is a fault', () => {
  expect(entryFaults('k', { zh: '好', en: '' })).toHaveLength(1)
  expect(entryFaults('k', { zh: '{{a}}', en: '{{b}}' })).not.toEqual([])
  expect(entryFaults('k', { zh: '{{count}} 个', en: '{{count}} things', one: '1 thing' })).toEqual([])
})
