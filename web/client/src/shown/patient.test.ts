import { expect, test } from 'vitest'
import { catalogue } from '../catalogue'
import type { Text } from '../language'
import { ageWord, personName, sexWord } from './patient'

const text: Text = (key, values) => catalogue[key].en.replace('{{count}}', String(values?.count ?? ''))

test('a name is shown in the reader’s script first', () => {
  expect(personName('WANG^XIAODONG=王^小东', 'zh')).toBe('王小东 WANG XIAODONG')
  expect(personName('WANG^XIAODONG=王^小东', 'en')).toBe('WANG XIAODONG 王小东')
})

test('a name in one script only is shown as it is', () => {
  expect(personName('Doe^Jane^^Dr', 'zh')).toBe('Dr Doe Jane')
  expect(personName('王小东', 'en')).toBe('王小东')
  expect(personName('=山田^太郎=やまだ^たろう', 'zh')).toBe('山田太郎 やまだ たろう')
  expect(personName('', 'zh')).toBe('')
})

test('an age is as written, else from the birth date on the day of the study', () => {
  expect(ageWord('052Y', '', '', text)).toBe('52 y')
  expect(ageWord('018M', '', '', text)).toBe('18 mo')
  expect(ageWord('', '19600116', '20260115', text)).toBe('65 y')
  expect(ageWord('', '19600115', '20260115', text)).toBe('66 y')
  expect(ageWord('', '', '20260115', text)).toBe('Age unknown')
})

test('an unknown sex is said to be unknown', () => {
  expect(sexWord('f', text)).toBe('Female')
  expect(sexWord('', text)).toBe('Sex unknown')
})
