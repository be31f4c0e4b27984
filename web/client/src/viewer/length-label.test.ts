import { expect, test } from 'vitest'
import { inImage } from './length-label'

const PLANE = { origin: [-100, 50, 20], orientation: [1, 0, 0, 0, 0, -1], row: 2, column: 0.5 }

test('a point of the patient is found in the pixels of an oblique image', () => {
  // 10 columns to the right, 3 rows down from the first pixel of a coronal image.
  const { x, y } = inImage([-95, 50, 14], PLANE)
  expect([x, y]).toEqual([10, 3])
})
