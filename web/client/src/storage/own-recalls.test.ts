import { expect, it } from 'vitest'
import type { Ticket } from '../api/storage'
import { endedSince } from './own-recalls'

const ticket = (id: string, state: Ticket['state'], at = 1) => ({ id, state, at }) as Ticket

it('tells what ended while it was watched, and nothing twice or from before', () => {
  const states = new Map<string, Ticket['state']>([
    ['a', 'waiting'],
    ['b', 'running'],
    ['c', 'running'],
    ['d', 'done'],
  ])
  const now = [ticket('a', 'done'), ticket('b', 'failed'), ticket('c', 'running'), ticket('d', 'done'), ticket('e', 'done')]
  expect(endedSince({ states, since: 9 }, now).map((each) => each.id)).toEqual(['a', 'b'])
  const known = new Map(now.map((each) => [each.id, each.state]))
  expect(endedSince({ states: known, since: 9 }, now)).toEqual([])
})

it('tells what was asked for and ended between two answers', () => {
  const now = [ticket('old', 'done', 8), ticket('new', 'done', 9), ticket('open', 'waiting', 10)]
  expect(endedSince({ states: new Map(), since: 9 }, now).map((each) => each.id)).toEqual(['new'])
})
