import { expect, test } from 'vitest'
import { fullWindow, grey, rangeOf, windowOf } from './window'

test('the linear window follows the formula of the standard', () => {
  // PS3.3 C.11.2.1.2.1, note: center 2048, width 4096 maps 0 to black and 4095 to white.
  const full = { center: 2048, width: 4096 }
  expect(grey(0, full)).toBe(0)
  expect(grey(4095, full)).toBe(255)
  expect(grey(2047, full)).toBeCloseTo((2047 / 4095) * 255, 9)
})

test('a width of 100 at 0 maps -50 to black and 49 to white', () => {
  expect(grey(-50, { center: 0, width: 100 })).toBe(0)
  expect(grey(49, { center: 0, width: 100 })).toBe(255)
  expect(grey(-49, { center: 0, width: 100 })).toBeGreaterThan(0)
  expect(grey(48, { center: 0, width: 100 })).toBeLessThan(255)
})

test('a width of 1 is a step', () => {
  expect(grey(0, { center: 0, width: 1 })).toBe(255)
  expect(grey(-1, { center: 0, width: 1 })).toBe(0)
})

test('linear exact spans exactly its width', () => {
  const window = { center: 0, width: 100 }
  expect(grey(-50, window, 'LINEAR_EXACT')).toBe(0)
  expect(grey(50, window, 'LINEAR_EXACT')).toBe(255)
  expect(grey(0, window, 'LINEAR_EXACT')).toBe(127.5)
})

test('a planted error of the slope is caught: width instead of width - 1', () => {
  const planted = (value: number, center: number, width: number) => ((value - center) / width + 0.5) * 255
  expect(Math.abs(planted(15, 8, 16) - grey(15, { center: 8, width: 16 }))).toBeGreaterThan(1)
})

test('a window survives the way to a range and back', () => {
  const lung = { center: -600, width: 1500 }
  expect(windowOf(rangeOf(lung))).toEqual(lung)
  expect(windowOf(rangeOf(lung, 'LINEAR_EXACT'), 'LINEAR_EXACT')).toEqual(lung)
})

test('the full window shows the lowest value black and the highest white', () => {
  const full = fullWindow(-1000, 400)
  expect(grey(-1000, full)).toBe(0)
  expect(grey(400, full)).toBe(255)
})
