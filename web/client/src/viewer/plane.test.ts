import { expect, test } from 'vitest'
import { inImage, onEdges, worldOf } from './plane'

const PLANE = { origin: [-100, 50, 20], orientation: [1, 0, 0, 0, 0, -1], row: 2, column: 0.5 }

test('a point of the patient is found in the pixels of a coronal image', () => {
  // 10 columns to the right, 3 rows down from the first pixel.
  expect(inImage([-95, 50, 14], PLANE)).toEqual({ x: 10, y: 3 })
})

test('the way into the patient and back ends where it began', () => {
  expect(inImage(worldOf({ x: 7, y: 11 }, PLANE), PLANE)).toEqual({ x: 7, y: 11 })
})

test('one to one, the edge of a pixel lies on the edge of a screen pixel, even and odd', () => {
  for (const size of [511, 512]) {
    for (const screen of [798, 799]) {
      const middle = onEdges((size - 1) / 2, screen)
      // Where the first pixel's left edge (-0.5) comes to lie.
      expect(Number.isInteger(screen / 2 + (-0.5 - middle))).toBe(true)
      expect(Math.abs(middle - (size - 1) / 2)).toBeLessThanOrEqual(0.5)
    }
  }
})
