import { expect, test } from 'vitest'
import { catalogue } from '../catalogue'
import { problemHowKey } from './event-words'

test('each kind of problem says in both languages what to do', () => {
  const kinds = Object.keys(catalogue).flatMap((key) => /^problem\.(.+)$/.exec(key)?.[1] ?? [])
  expect(kinds).toContain('patient-conflict')
  expect(kinds.filter((kind) => problemHowKey(kind) === null)).toEqual([])
})
