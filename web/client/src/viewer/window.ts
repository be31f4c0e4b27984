/** From the modality's values to 8 bits of grey. Pure; the formula that the screen is checked against. */

/** A window in the modality's units (HU for CT). */
export interface Window {
  center: number
  width: number
}

export type Shape = 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID'

/** The values that become black and white. */
export interface Range {
  lower: number
  upper: number
}

/**
 * Map one value to grey, unrounded.
 *
 * Source: DICOM PS3.3 C.11.2.1.2.1 (linear) and C.11.2.1.3.2 (linear exact).
 */
export function grey(value: number, { center, width }: Window, shape: Shape = 'LINEAR'): number {
  if (shape === 'LINEAR' && width <= 1) return value > center - 0.5 ? 255 : 0
  const share =
    shape === 'LINEAR_EXACT'
      ? (value - center) / width + 0.5
      : shape === 'SIGMOID'
        ? 1 / (1 + Math.exp((-4 * (value - center)) / width))
        : (value - (center - 0.5)) / (width - 1) + 0.5
  return Math.min(1, Math.max(0, share)) * 255
}

/** The ends of a window's slope; `windowOf` gives it back. */
export function rangeOf({ center, width }: Window, shape: Shape = 'LINEAR'): Range {
  if (shape === 'LINEAR_EXACT') return { lower: center - width / 2, upper: center + width / 2 }
  const half = (Math.max(width, 1.001) - 1) / 2
  return { lower: center - 0.5 - half, upper: center - 0.5 + half }
}

export function windowOf({ lower, upper }: Range, shape: Shape = 'LINEAR'): Window {
  if (shape === 'LINEAR_EXACT') return { center: (lower + upper) / 2, width: upper - lower }
  return { center: (lower + upper + 1) / 2, width: upper - lower + 1 }
}

/** The window that shows every value, for an object that brings none. */
export function fullWindow(low: number, high: number): Window {
  return { center: (low + high + 1) / 2, width: Math.max(high - low + 1, 1) }
}

export interface Preset extends Window {
  name: 'lung' | 'mediastinum' | 'bone'
}

/** Usual windows of CT, in HU. */
export const PRESETS: readonly Preset[] = [
  { name: 'lung', center: -600, width: 1500 },
  { name: 'mediastinum', center: 40, width: 400 },
  { name: 'bone', center: 400, width: 1800 },
]
