import { expect, test } from 'vitest'
import { directionName, markersOf, screenAxes, type Laid } from './orientation'

const AXIAL = [1, 0, 0, 0, 1, 0]
const SAGITTAL = [0, 1, 0, 0, 0, -1]
const CORONAL = [1, 0, 0, 0, 0, -1]
const AS_IS: Laid = { flipHorizontal: false, flipVertical: false, rotation: 0 }

function markers(orientation: number[], laid: Partial<Laid> = {}) {
  const { right, bottom } = screenAxes(orientation, { ...AS_IS, ...laid })
  return markersOf(right, bottom)
}

test('an axial slice shows the left hand at the right edge', () => {
  expect(markers(AXIAL)).toEqual({ left: 'R', right: 'L', top: 'A', bottom: 'P' })
})

test('a sagittal slice has the head at the top and the face at the left edge', () => {
  expect(markers(SAGITTAL)).toEqual({ left: 'A', right: 'P', top: 'H', bottom: 'F' })
})

test('a coronal slice has the head at the top', () => {
  expect(markers(CORONAL)).toEqual({ left: 'R', right: 'L', top: 'H', bottom: 'F' })
})

test('a mirrored image changes sides and nothing else', () => {
  expect(markers(AXIAL, { flipHorizontal: true })).toEqual({ left: 'L', right: 'R', top: 'A', bottom: 'P' })
  expect(markers(AXIAL, { flipVertical: true })).toEqual({ left: 'R', right: 'L', top: 'P', bottom: 'A' })
})

test('a quarter turn clockwise brings the top edge to the right', () => {
  expect(markers(AXIAL, { rotation: 90 })).toEqual({ left: 'P', right: 'A', top: 'R', bottom: 'L' })
  expect(markers(AXIAL, { rotation: 180 })).toEqual({ left: 'L', right: 'R', top: 'P', bottom: 'A' })
  expect(markers(AXIAL, { rotation: 270 })).toEqual({ left: 'A', right: 'P', top: 'L', bottom: 'R' })
})

test('an oblique direction names its axes, the strongest first', () => {
  expect(directionName([0.8, 0.6, 0])).toBe('LP')
  expect(directionName([0.5, -0.7, 0.51])).toBe('AHL')
  expect(directionName([0.999, 0.03, 0])).toBe('L')
})

test('without a direction there is no letter', () => {
  expect(directionName([0, 0, 0])).toBe('')
})
