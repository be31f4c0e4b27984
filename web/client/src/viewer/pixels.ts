/** From a native frame's bytes to what can be shown: the modality's values, or RGB. Pure. */

import type { FrameFacts } from './facts'

export const BIG_ENDIAN = '1.2.840.10008.1.2.2'

export type Values = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array

export interface Pixels {
  values: Values
  /** 1 of grey, 3 of RGB. */
  components: 1 | 3
  /** The extent in the modality's units. */
  low: number
  high: number
  /** A rescale that whoever shows the values has yet to apply. */
  slope?: number
  intercept?: number
}

/** Thrown when a frame holds fewer bytes than its header says. */
export class CutShort extends Error {}

/**
 * The stored values of a native grey frame, sign extended, what lies above the stored bits dropped.
 *
 * Source: DICOM PS3.5 8.1.1 and 8.2.
 */
export function storedValues(bytes: Uint8Array, facts: FrameFacts): Values {
  const { rows, columns, samples, bitsAllocated, bitsStored, signed } = facts
  const count = rows * columns * samples
  if (bytes.length * 8 < count * bitsAllocated) throw new CutShort('The frame is shorter than its header says.')
  if (bitsAllocated === 1) return Uint8Array.from({ length: count }, (_, n) => ((bytes[n >> 3] ?? 0) >> (n & 7)) & 1)
  const raw = words(bytes, bitsAllocated, count, facts.transferSyntax === BIG_ENDIAN)
  const values = signed ? reinterpreted(raw) : raw
  const spare = bitsAllocated - bitsStored
  if (spare > 0 && spare < bitsAllocated) {
    // Shift up to the top bit and back: extends a sign, and drops overlays that old objects keep up there.
    const up = 32 - bitsStored
    for (let n = 0; n < values.length; n += 1) {
      const high = (values[n] ?? 0) << up
      values[n] = signed ? high >> up : high >>> up
    }
  }
  return values
}

function words(bytes: Uint8Array, bits: number, count: number, bigEndian: boolean): Uint8Array | Uint16Array | Uint32Array {
  const size = bits / 8
  const copy = bytes.slice(0, count * size)
  if (bigEndian && size > 1) {
    for (let at = 0; at < copy.length; at += size) copy.subarray(at, at + size).reverse()
  }
  if (size === 1) return copy
  return size === 2 ? new Uint16Array(copy.buffer) : new Uint32Array(copy.buffer)
}

function reinterpreted(raw: Uint8Array | Uint16Array | Uint32Array): Int8Array | Int16Array | Int32Array {
  if (raw instanceof Uint8Array) return new Int8Array(raw.buffer)
  return raw instanceof Uint16Array ? new Int16Array(raw.buffer) : new Int32Array(raw.buffer)
}

/** Grey: stored values through the modality's rescale. Source: DICOM PS3.3 C.11.1.1.2. */
export function modalityPixels(stored: Values, { slope, intercept }: FrameFacts): Pixels {
  const [storedLow, storedHigh] = extent(stored)
  const ends = [storedLow * slope + intercept, storedHigh * slope + intercept]
  const low = Math.min(...ends)
  const high = Math.max(...ends)
  const same = slope === 1 && intercept === 0
  if (same) return { values: stored, components: 1, low, high }
  const whole = Number.isInteger(slope) && Number.isInteger(intercept) && low >= -32768 && high <= 32767
  const values = whole ? new Int16Array(stored.length) : new Float32Array(stored.length)
  for (let n = 0; n < stored.length; n += 1) values[n] = (stored[n] ?? 0) * slope + intercept
  return { values, components: 1, low, high }
}

/**
 * Colour: RGB of 8 bits, interleaved, whatever the object keeps.
 *
 * `decoded` says that a codec has already turned the colours to RGB.
 *
 * Source: DICOM PS3.3 C.7.6.3.1.2 (photometric interpretation) and C.7.6.3.1.3 (planar configuration).
 */
export function colourPixels(stored: Values, facts: FrameFacts, decoded = false): Pixels {
  const count = facts.rows * facts.columns
  const values = new Uint8Array(count * 3)
  const shift = Math.max(0, facts.bitsStored - 8)
  const { palette, photometric } = facts
  if (palette) {
    const last = palette.red.length - 1
    for (let n = 0; n < count; n += 1) {
      const entry = Math.min(last, Math.max(0, (stored[n] ?? 0) - palette.first))
      values.set([palette.red[entry] ?? 0, palette.green[entry] ?? 0, palette.blue[entry] ?? 0], n * 3)
    }
    return { values, components: 3, low: 0, high: 255 }
  }
  const [step, next] = facts.planar && !decoded ? [1, count] : [3, 1]
  const fromYbr = photometric.startsWith('YBR') && !decoded
  for (let n = 0; n < count; n += 1) {
    const at = n * step
    const a = (stored[at] ?? 0) >> shift
    const b = (stored[at + next] ?? 0) >> shift
    const c = (stored[at + 2 * next] ?? 0) >> shift
    if (fromYbr) putRgb(values, n * 3, a, b, c)
    else {
      values[n * 3] = a
      values[n * 3 + 1] = b
      values[n * 3 + 2] = c
    }
  }
  return { values, components: 3, low: 0, high: 255 }
}

/** Native YBR_FULL_422: two luma, then the blue and red that both pixels share. Source: DICOM PS3.3 C.7.6.3.1.2. */
export function unpacked422(bytes: Uint8Array, { rows, columns }: FrameFacts): Uint8Array {
  if (bytes.length < rows * columns * 2) throw new CutShort('The frame is shorter than its header says.')
  const full = new Uint8Array(rows * columns * 3)
  for (let pair = 0; pair < (rows * columns) / 2; pair += 1) {
    const [y0 = 0, y1 = 0, blue = 0, red = 0] = bytes.subarray(pair * 4, pair * 4 + 4)
    full.set([y0, blue, red, y1, blue, red], pair * 6)
  }
  return full
}

function putRgb(values: Uint8Array, at: number, y: number, cb: number, cr: number): void {
  const clamped = (value: number) => Math.min(255, Math.max(0, Math.round(value)))
  values[at] = clamped(y + 1.402 * (cr - 128))
  values[at + 1] = clamped(y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128))
  values[at + 2] = clamped(y + 1.772 * (cb - 128))
}

export function extent(values: Values): [number, number] {
  let low = Infinity
  let high = -Infinity
  for (let n = 0; n < values.length; n += 1) {
    const value = values[n] ?? 0
    if (value < low) low = value
    if (value > high) high = value
  }
  return values.length > 0 ? [low, high] : [0, 0]
}

/** Whether a frame is shown in colour. */
export function isColour({ samples, palette }: FrameFacts): boolean {
  return samples >= 3 || palette !== null
}
