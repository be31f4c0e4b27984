/** The text of a length: our own, one decimal at any length. Pure. */

/** Distance between the centres of neighbouring pixels, in mm; `row` is down a column. */
export interface Spacing {
  row: number
  column: number
  /** `detector`: measured at the detector, where the patient's own size is not known. */
  plane: 'patient' | 'detector'
}

export interface Point {
  /** Column, then row, in pixels of the image. */
  x: number
  y: number
}

export type Unit = 'mm' | 'px'

export interface Length {
  value: number
  unit: Unit
}

/**
 * Measure between two points of one image.
 *
 * Source: DICOM PS3.3 10.7.1.3: Pixel Spacing is row spacing (vertical) first, column spacing second.
 */
export function measure(from: Point, to: Point, spacing: Spacing | null): Length {
  const dx = to.x - from.x
  const dy = to.y - from.y
  if (!spacing) return { value: Math.hypot(dx, dy), unit: 'px' }
  return { value: Math.hypot(dx * spacing.column, dy * spacing.row), unit: 'mm' }
}

/** One decimal at any length: `35.7 mm`, `118.2 mm`, `240.0 px`. */
export function lengthText({ value, unit }: Length): string {
  return `${value.toFixed(1)} ${unit}`
}
