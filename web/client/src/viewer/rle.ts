/** RLE Lossless. Source: DICOM PS3.5 Annex G. Pure. */

interface ShapeOfFrame {
  rows: number
  columns: number
  samples: number
  bitsAllocated: number
}

/** Give the frame as interleaved little endian samples. */
export function decodeRle(bytes: Uint8Array, { rows, columns, samples, bitsAllocated }: ShapeOfFrame): Uint8Array {
  const size = bitsAllocated / 8
  const pixels = rows * columns
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const segments = header.getUint32(0, true)
  if (segments !== samples * size) throw new Error(`An RLE frame has ${segments} segments instead of ${samples * size}.`)
  const frame = new Uint8Array(pixels * samples * size)
  for (let segment = 0; segment < segments; segment += 1) {
    const from = header.getUint32(4 + 4 * segment, true)
    const to = segment + 1 < segments ? header.getUint32(8 + 4 * segment, true) : bytes.length
    const sample = Math.floor(segment / size)
    // Segments of a sample run from its highest byte to its lowest.
    const place = sample * size + (size - 1 - (segment % size))
    unpack(bytes.subarray(from, to), frame, { place, step: samples * size })
  }
  return frame
}

function unpack(packed: Uint8Array, frame: Uint8Array, { place, step }: { place: number; step: number }): void {
  let out = place
  for (let at = 0; at < packed.length && out < frame.length; ) {
    const control = packed[at] ?? 128
    at += 1
    if (control < 128) {
      for (let n = 0; n <= control && out < frame.length; n += 1, out += step) frame[out] = packed[at + n] ?? 0
      at += control + 1
    } else if (control > 128) {
      const value = packed[at] ?? 0
      for (let n = 0; n < 257 - control && out < frame.length; n += 1, out += step) frame[out] = value
      at += 1
    }
  }
}
