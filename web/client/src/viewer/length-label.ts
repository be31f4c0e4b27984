/** The text beside a length on screen, made anew from its two points each time it is drawn. */

import { frameOf } from './frames'
import { lengthText, measure } from './length'
import { inImage, planeOf } from './plane'

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
  const plane = planeOf(frame)
  const length = measure(inImage(from, plane), inImage(to, plane), frame.spacing)
  const words = lengthText(length)
  return [frame.spacing?.plane === 'detector' ? `${words} ${atDetector}` : words]
}
