/** Where an image lies in the patient, and the way between the two. Pure. */

import type { FrameFacts } from './facts'
import type { Point } from './length'

export interface Plane {
  origin: number[]
  orientation: number[]
  /** mm between rows, and between columns. */
  row: number
  column: number
}

/** A point of the patient in pixels of the image. Source: DICOM PS3.3 C.7.6.2.1.1. */
export function inImage(world: number[], { origin, orientation, row, column }: Plane): Point {
  const along = (first: number) =>
    [0, 1, 2].reduce(
      (sum, axis) => sum + ((world[axis] ?? 0) - (origin[axis] ?? 0)) * (orientation[first + axis] ?? 0),
      0,
    )
  return { x: along(0) / column, y: along(3) / row }
}

/** A place of the image in the patient; pixel centres are whole. Source: DICOM PS3.3 C.7.6.2.1.1. */
export function worldOf({ x, y }: Point, { origin, orientation, row, column }: Plane): number[] {
  return [0, 1, 2].map(
    (axis) =>
      (origin[axis] ?? 0) + x * column * (orientation[axis] ?? 0) + y * row * (orientation[axis + 3] ?? 0),
  )
}

/** The place nearest to this one that, in the middle of so many screen pixels, puts edges of pixels on edges. */
export function onEdges(place: number, screen: number): number {
  return Math.round(place + 0.5 - screen / 2) + screen / 2 - 0.5
}

/** Axial, at the origin, with pixels of 1 mm, where the object is silent: the engine is told the same. */
export function planeOf({ position, orientation, spacing }: FrameFacts): Plane {
  return {
    origin: position ?? [0, 0, 0],
    orientation: orientation ?? [1, 0, 0, 0, 1, 0],
    row: spacing?.row ?? 1,
    column: spacing?.column ?? 1,
  }
}
