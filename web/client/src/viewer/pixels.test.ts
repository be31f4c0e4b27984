import { expect, test } from 'vitest'
import { frameFacts, type FrameFacts } from './facts'
import { BIG_ENDIAN, colourPixels, CutShort, modalityPixels, storedValues, unpacked422 } from './pixels'

const US = (value: number) => ({ vr: 'US', Value: [value] })

function facts(changes: Partial<FrameFacts> = {}): FrameFacts {
  const [first] = frameFacts({
    '00280010': US(1),
    '00280011': US(2),
    '00280100': US(16),
    '00280101': US(12),
    '00280103': US(0),
  })
  if (!first) throw new Error('no frame')
  return { ...first, ...changes }
}

test('what lies above the stored bits is dropped', () => {
  const bytes = new Uint8Array(new Uint16Array([0xf123, 0x0fff]).buffer)
  expect([...storedValues(bytes, facts())]).toEqual([0x123, 0xfff])
})

test('a signed value of 12 bits keeps its sign', () => {
  const bytes = new Uint8Array(new Uint16Array([0x0fff, 0x0800]).buffer)
  expect([...storedValues(bytes, facts({ signed: true }))]).toEqual([-1, -2048])
})

test('big endian words are turned', () => {
  const bytes = new Uint8Array([0x01, 0x02, 0x0a, 0xbc])
  expect([...storedValues(bytes, facts({ transferSyntax: BIG_ENDIAN }))]).toEqual([0x102, 0xabc])
})

test('a frame that is cut short is refused', () => {
  expect(() => storedValues(new Uint8Array(3), facts())).toThrow(CutShort)
})

test('rescaled values are whole numbers where they can be, and exact where they cannot', () => {
  const stored = new Uint16Array([0, 1024])
  const whole = modalityPixels(stored, facts({ slope: 1, intercept: -1024 }))
  expect(whole.values).toBeInstanceOf(Int16Array)
  expect([...whole.values]).toEqual([-1024, 0])
  const broken = modalityPixels(stored, facts({ slope: 0.5, intercept: 0.25 }))
  expect([...broken.values]).toEqual([0.25, 512.25])
})

test('a negative slope turns the extent round', () => {
  const { low, high } = modalityPixels(new Uint16Array([0, 10]), facts({ slope: -2, intercept: 5 }))
  expect([low, high]).toEqual([-15, 5])
})

test('planar colour is interleaved', () => {
  const two = facts({ samples: 3, planar: true, bitsAllocated: 8, bitsStored: 8, photometric: 'RGB' })
  expect([...colourPixels(new Uint8Array([1, 2, 3, 4, 5, 6]), two).values]).toEqual([1, 3, 5, 2, 4, 6])
})

test('YBR without colour is grey', () => {
  const two = facts({ samples: 3, bitsAllocated: 8, bitsStored: 8, photometric: 'YBR_FULL' })
  expect([...colourPixels(new Uint8Array([77, 128, 128, 200, 128, 128]), two).values]).toEqual([77, 77, 77, 200, 200, 200])
})

test('a pair of 4:2:2 pixels shares its colour', () => {
  expect([...unpacked422(new Uint8Array([10, 20, 30, 40]), facts())]).toEqual([10, 30, 40, 20, 30, 40])
})
