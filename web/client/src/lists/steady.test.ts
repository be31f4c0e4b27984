import { expect, test } from 'vitest'
import { steadyOrder } from './steady'

const keyOf = (item: string) => item

test('a new row waits while the pointer is on the list', () => {
  const before = { reset: 'a', keys: ['1', '2'] }
  expect(steadyOrder(before, ['0', '1', '2'], { keyOf, held: true, reset: 'a' }).keys).toEqual(['1', '2'])
})

test('the new order is taken when the pointer leaves', () => {
  const before = { reset: 'a', keys: ['1', '2'] }
  expect(steadyOrder(before, ['0', '1', '2'], { keyOf, held: false, reset: 'a' }).keys).toEqual(['0', '1', '2'])
})

test('another filter is another list, held or not', () => {
  const before = { reset: 'a', keys: ['1', '2'] }
  expect(steadyOrder(before, ['9'], { keyOf, held: true, reset: 'b' }).keys).toEqual(['9'])
})

test('rows of an empty list appear under a resting pointer', () => {
  expect(steadyOrder({ reset: 'a', keys: [] }, ['1'], { keyOf, held: true, reset: 'a' }).keys).toEqual(['1'])
})
