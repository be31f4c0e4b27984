/** The frames of a series: asked for once as DICOM JSON, kept by the id that the rendering engine uses. */

import { frameFacts, type FrameFacts } from './facts'
import type { DataSet } from './dicom-json'

export const SCHEME = 'meridian'

/** A frame and where its bytes are. */
export interface Frame extends FrameFacts {
  imageId: string
  url: string
  /** The node's own picture of it, for what cannot be decoded here. */
  renderedUrl: string
}

const known = new Map<string, Frame>()

/** The frame of an image id. */
export function frameOf(imageId: string): Frame | undefined {
  return known.get(imageId)
}

/**
 * Read what a series holds, in the order to page through.
 *
 * Source: DICOM PS3.18 10.4 (metadata); bulk data stay where they are.
 */
export async function readSeries(root: string, signal?: AbortSignal): Promise<Frame[]> {
  const request: RequestInit = { headers: { Accept: 'application/dicom+json' }, credentials: 'same-origin' }
  if (signal) request.signal = signal
  const response = await fetch(`${root}/metadata`, request)
  if (!response.ok) throw new Error(String(response.status))
  const instances = response.status === 204 ? [] : ((await response.json()) as DataSet[])
  const frames = inOrder(instances.flatMap(frameFacts)).map((facts) => {
    const url = `${root}/instances/${facts.sopUid}/frames/${facts.frame}`
    return { ...facts, imageId: `${SCHEME}:${url}`, url, renderedUrl: `${url}/rendered` }
  })
  for (const frame of frames) known.set(frame.imageId, frame)
  return frames
}

/** By instance number, then along the normal of the slices, then by frame. Pure. */
export function inOrder<T extends FrameFacts>(frames: T[]): T[] {
  return [...frames].sort(
    (a, b) =>
      (a.instanceNumber ?? Infinity) - (b.instanceNumber ?? Infinity) || depth(a) - depth(b) || a.frame - b.frame || 0,
  )
}

/** Where a slice lies along its own normal, in mm; 0 when it does not say. */
export function depth({ orientation, position }: FrameFacts): number {
  if (!orientation || !position) return 0
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = orientation
  const [x = 0, y = 0, z = 0] = position
  return (b * f - c * e) * x + (c * d - a * f) * y + (a * e - b * d) * z
}
