/** The node's clock as this page knows it, and a pulse for what counts. */

import { useSyncExternalStore } from 'react'
import type { Micros } from '../api/types'

let ahead = 0

/** Take over how far the node's clock is from this machine's. */
export function setNodeClock(now: Micros): void {
  ahead = now - Date.now() * 1000
}

export function now(): Micros {
  return Date.now() * 1000 + ahead
}

const pulse = new Set<() => void>()
let timer = 0
let beat = 0

function subscribe(hear: () => void): () => void {
  pulse.add(hear)
  timer ||= window.setInterval(() => {
    beat += 1
    pulse.forEach((each) => each())
  }, 1000)
  return () => {
    pulse.delete(hear)
    if (pulse.size === 0) {
      window.clearInterval(timer)
      timer = 0
    }
  }
}

/** The time now, anew each `seconds`. */
export function useNow(seconds: number): Micros {
  useSyncExternalStore(subscribe, () => Math.floor(beat / seconds))
  return now()
}
