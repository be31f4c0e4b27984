import { expect, it } from 'vitest'
import type { Ticket } from '../api/storage'
import { endedSince } from './own-recalls'

const ticket = (id: string, state: Ticket['state']) => ({ id, state }) as Ticket

it('tells what ended while it was watched, and nothing twice or from before', () => {
  const before = new Map<string, Ticket['state']>([
    ['a', 'waiting'],
    ['b', 'running'],
    ['c', 'running'],
    ['d', 'done'],
  ])
  const now = [ticket('a', 'done'), ticket('b', 'failed'), ticket('c', 'running'), ticket('d', 'done'), ticket('e', 'done')]
  expect(endedSince(before, now).map((each) => each.id)).toEqual(['a', 'b'])
  expect(endedSince(new Map(now.map((each) => [each.id, each.state])), now)).toEqual([])
})
