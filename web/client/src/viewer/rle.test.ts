import { expect, test } from 'vitest'
import { decodeRle } from './rle'

/** An RLE frame of these segments. */
function frame(...segments: number[][]): Uint8Array {
  const header = new DataView(new ArrayBuffer(64))
  header.setUint32(0, segments.length, true)
  let offset = 64
  segments.forEach((segment, n) => {
    header.setUint32(4 + 4 * n, offset, true)
    offset += segment.length
  })
  return Uint8Array.from([...new Uint8Array(header.buffer), ...segments.flat()])
}

test('runs and literals make the bytes of a frame', () => {
  const shape = { rows: 1, columns: 5, samples: 1, bitsAllocated: 8 }
  expect([...decodeRle(frame([254, 7, 1, 1, 2]), shape)]).toEqual([7, 7, 7, 1, 2])
})

test('the high byte of a word comes in the first segment', () => {
  const shape = { rows: 1, columns: 2, samples: 1, bitsAllocated: 16 }
  expect([...decodeRle(frame([1, 0x12, 0x34], [1, 0xab, 0xcd]), shape)]).toEqual([0xab, 0x12, 0xcd, 0x34])
})

test('colour planes are interleaved', () => {
  const shape = { rows: 1, columns: 2, samples: 3, bitsAllocated: 8 }
  expect([...decodeRle(frame([1, 1, 2], [1, 3, 4], [1, 5, 6]), shape)]).toEqual([1, 3, 5, 2, 4, 6])
})

test('a frame of another number of segments is refused', () => {
  expect(() => decodeRle(frame([0, 1]), { rows: 1, columns: 1, samples: 3, bitsAllocated: 8 })).toThrow()
})
