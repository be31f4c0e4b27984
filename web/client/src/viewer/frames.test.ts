import { expect, test } from 'vitest'
import type { FrameFacts } from './facts'
import { depth, inOrder } from './frames'

const SLICE = { orientation: [1, 0, 0, 0, 1, 0], position: [0, 0, 0], frame: 1, instanceNumber: 1 } as unknown as FrameFacts

test('slices are paged through by instance number', () => {
  const frames = [3, 1, 2].map((instanceNumber) => ({ ...SLICE, instanceNumber }))
  expect(inOrder(frames).map((frame) => frame.instanceNumber)).toEqual([1, 2, 3])
})

test('without numbers slices are paged through along their normal', () => {
  const frames = [30, 10, 20].map((z) => ({ ...SLICE, instanceNumber: null, position: [0, 0, z] }))
  expect(inOrder(frames).map((frame) => frame.position[2])).toEqual([10, 20, 30])
})

test('frames of one instance keep their order', () => {
  const frames = [2, 3, 1].map((frame) => ({ ...SLICE, frame, position: null }))
  expect(inOrder(frames).map((frame) => frame.frame)).toEqual([1, 2, 3])
})

test('the depth of a slice is measured along its own normal', () => {
  expect(depth({ ...SLICE, orientation: [0, 1, 0, 0, 0, -1], position: [7, 1, 2] })).toBe(-7)
})
