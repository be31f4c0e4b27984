/** The text beside a length on screen, made anew from its two points each time it is drawn. */

import { frameOf } from './frames'
import { lengthText, measure, type Point } from './length'

interface Drawn {
  handles: { points: [number[], number[]] }
}

let atDetector = ''

/** What follows a length that was measured at the detector, in the viewer's language. */
export function setDetectorWords(words: string): void {
  atDetector = words
}

/** For the length tool's `getTextLines`; `targetId` names the image drawn on. */
export function lengthLines(data: Drawn, targetId: string): string[] {
  const frame = frameOf(targetId.replace(/^imageId:/, ''))
  const [from, to] = data.handles.points
  if (!frame || !from || !to) return []
  const plane = {
    origin: frame.position ?? [0, 0, 0],
    orientation: frame.orientation ?? [1, 0, 0, 0, 1, 0],
    row: frame.spacing?.row ?? 1,
    column: frame.spacing?.column ?? 1,
  }
  const length = measure(inImage(from, plane), inImage(to, plane), frame.spacing)
  const words = lengthText(length)
  return [frame.spacing?.plane === 'detector' ? `${words} ${atDetector}` : words]
}

interface Plane {
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
