import { expect, test } from 'vitest'
import { lengthText, measure, type Spacing } from './length'

const SQUARE: Spacing = { row: 0.7, column: 0.7, plane: 'patient' }
const TALL: Spacing = { row: 2, column: 0.5, plane: 'patient' }

test('a length takes the column spacing across and the row spacing down', () => {
  expect(measure({ x: 0, y: 0 }, { x: 10, y: 0 }, TALL)).toEqual({ value: 5, unit: 'mm' })
  expect(measure({ x: 0, y: 0 }, { x: 0, y: 10 }, TALL)).toEqual({ value: 20, unit: 'mm' })
})

test('a planted swap of row and column spacing is caught', () => {
  const swapped = { ...TALL, row: TALL.column, column: TALL.row }
  expect(measure({ x: 0, y: 0 }, { x: 10, y: 3 }, swapped)).not.toEqual(
    measure({ x: 0, y: 0 }, { x: 10, y: 3 }, TALL),
  )
})

test('a length has one decimal, also beyond 100 mm', () => {
  expect(lengthText(measure({ x: 0, y: 0 }, { x: 30, y: 40 }, SQUARE))).toBe('35.0 mm')
  expect(lengthText(measure({ x: 0, y: 0 }, { x: 300, y: 400 }, { ...SQUARE, row: 0.703125, column: 0.703125 }))).toBe('351.6 mm')
})

test('without spacing the length is in pixels and says so', () => {
  expect(lengthText(measure({ x: 0, y: 0 }, { x: 30, y: 40 }, null))).toBe('50.0 px')
})
