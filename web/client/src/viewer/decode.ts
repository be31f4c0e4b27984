/** Compressed frames, decoded beside the page so that it stays quick. */

import type { Frame } from './frames'
import { storedValues, type Values } from './pixels'

export interface Decoded {
  values: Values
  /** The codec has already turned the colours to RGB. */
  rgb: boolean
}

/** What the worker is asked, and what it says. */
export interface Task {
  id: number
  bytes: Uint8Array
  syntax: string
  rows: number
  columns: number
  samples: number
  bitsAllocated: number
}

export interface Answer {
  id: number
  bytes?: Uint8Array
  error?: string
}

/** JPEG carries a colour transform of its own. Source: DICOM PS3.5 8.2.1. */
const TURNS_TO_RGB = new Set(['1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.51'])

let worker: Worker | null = null
let last = 0
const waiting = new Map<number, { resolve: (bytes: Uint8Array) => void; reject: (cause: Error) => void }>()

/** Rejects when no codec here reads the syntax, or the bytes are not what they should be. */
export async function decode(bytes: Uint8Array, frame: Frame): Promise<Decoded> {
  const { rows, columns, samples, bitsAllocated, transferSyntax: syntax, photometric } = frame
  const decoded = await ask({ id: (last += 1), bytes, syntax, rows, columns, samples, bitsAllocated })
  const size = decoded.length / (rows * columns * samples)
  const bits = Math.floor(size) * 8
  if (bits !== 8 && bits !== 16 && bits !== 32) throw new Error(`The codec gave ${decoded.length} bytes.`)
  const values = storedValues(decoded, { ...frame, bitsAllocated: bits, bitsStored: Math.min(frame.bitsStored, bits) })
  const rgb = TURNS_TO_RGB.has(syntax) || photometric === 'YBR_ICT' || photometric === 'YBR_RCT'
  return { values, rgb }
}

function ask(task: Task): Promise<Uint8Array> {
  worker ??= start()
  const running = worker
  return new Promise((resolve, reject) => {
    waiting.set(task.id, { resolve, reject })
    running.postMessage(task, [task.bytes.buffer])
  })
}

function start(): Worker {
  const started = new Worker(new URL('./decode-worker.ts', import.meta.url), { type: 'module' })
  started.onmessage = ({ data }: MessageEvent<Answer>) => {
    const asked = waiting.get(data.id)
    waiting.delete(data.id)
    if (data.bytes) asked?.resolve(data.bytes)
    else asked?.reject(new Error(data.error ?? 'The codec failed.'))
  }
  // A codec that breaks takes its worker with it: whoever waits is told, and the next task starts a new one.
  started.onerror = () => {
    started.terminate()
    worker = null
    for (const asked of waiting.values()) asked.reject(new Error('The codec broke.'))
    waiting.clear()
  }
  return started
}
