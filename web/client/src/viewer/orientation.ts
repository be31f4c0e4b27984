/** Which way the patient lies on screen. Pure. */

export type Vector = readonly [number, number, number]

export interface Markers {
  left: string
  right: string
  top: string
  bottom: string
}

/** Patient axes: +x to the left hand, +y to the back, +z to the head. Source: DICOM PS3.3 C.7.6.2.1.1. */
const LETTERS = [
  ['L', 'R'],
  ['P', 'A'],
  ['H', 'F'],
] as const

/** Below this share a direction is not named: about 14 degrees off the other axes. */
const NAMED = 0.25

/** Name a direction by its axes, the strongest first: `A`, `LP`, `HLA`. */
export function directionName(direction: Vector): string {
  const length = Math.hypot(...direction)
  if (length === 0) return ''
  return direction
    .map((part, axis) => ({ share: part / length, letters: LETTERS[axis as 0 | 1 | 2] }))
    .filter(({ share }) => Math.abs(share) >= NAMED)
    .sort((a, b) => Math.abs(b.share) - Math.abs(a.share))
    .map(({ share, letters }) => letters[share > 0 ? 0 : 1])
    .join('')
}

/** Letters for the four edges, from where the screen's right and lower edges lie in the patient. */
export function markersOf(towardsRight: Vector, towardsBottom: Vector): Markers {
  return {
    right: directionName(towardsRight),
    left: directionName(opposite(towardsRight)),
    bottom: directionName(towardsBottom),
    top: directionName(opposite(towardsBottom)),
  }
}

/** How an image is laid on the screen: flipped first, then turned clockwise. */
export interface Laid {
  flipHorizontal: boolean
  flipVertical: boolean
  /** 0, 90, 180 or 270 degrees, clockwise. */
  rotation: number
}

/**
 * Where the screen's right and lower edges lie in the patient, from Image Orientation (Patient).
 *
 * Source: DICOM PS3.3 C.7.6.2.1.1: six cosines, of a row (towards higher columns), then of a column.
 */
export function screenAxes(orientation: readonly number[], laid: Laid): { right: Vector; bottom: Vector } {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = orientation
  const row: Vector = laid.flipHorizontal ? [-a, -b, -c] : [a, b, c]
  const column: Vector = laid.flipVertical ? [-d, -e, -f] : [d, e, f]
  switch (((laid.rotation % 360) + 360) % 360) {
    case 90:
      return { right: opposite(column), bottom: row }
    case 180:
      return { right: opposite(row), bottom: opposite(column) }
    case 270:
      return { right: column, bottom: opposite(row) }
    default:
      return { right: row, bottom: column }
  }
}

function opposite([x, y, z]: Vector): Vector {
  return [-x, -y, -z]
}
