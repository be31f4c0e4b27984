/** The node's live feed: says what changed, never what it is now; whoever shows it asks again. */

export interface Change {
  /** Event types, as `study-changed`. */
  types: string[]
  /** `study/ORIGIN/UID`, `case/ID`, ...; only what this viewer may see. */
  subjects: string[]
  /** The feed was away: anything may have changed. */
  everything: boolean
}

type Hear = (change: Change) => void

const listeners = new Set<Hear>()
const watchers = new Set<() => void>()
const RETRY_MS = [1000, 2000, 5000, 10_000]

let source: EventSource | null = null
let timer = 0
let failures = 0
let connected = true

/** Follow the feed until `stopLive`. */
export function startLive(): void {
  if (source || timer) return
  connect()
}

export function stopLive(): void {
  source?.close()
  source = null
  window.clearTimeout(timer)
  timer = 0
  failures = 0
  setConnected(true)
}

export function onChange(hear: Hear): () => void {
  listeners.add(hear)
  return () => listeners.delete(hear)
}

export const feed = {
  subscribe(watch: () => void): () => void {
    watchers.add(watch)
    return () => watchers.delete(watch)
  },
  connected: (): boolean => connected,
}

function connect(): void {
  timer = 0
  source = new EventSource('/api/live')
  source.addEventListener('open', () => {
    const wasAway = failures > 0
    failures = 0
    setConnected(true)
    if (wasAway) tell({ types: [], subjects: [], everything: true })
  })
  source.addEventListener('changed', (event) => {
    const { types, subjects } = JSON.parse((event as MessageEvent<string>).data) as Change
    tell({ types: types ?? [], subjects: subjects ?? [], everything: false })
  })
  source.addEventListener('error', () => {
    // The browser's own retry stops for good at an HTTP error, so each attempt is ours.
    source?.close()
    source = null
    setConnected(failures === 0)
    const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]
    failures += 1
    timer = window.setTimeout(connect, wait)
  })
}

function setConnected(now: boolean): void {
  if (connected === now) return
  connected = now
  watchers.forEach((watch) => watch())
}

function tell(change: Change): void {
  listeners.forEach((hear) => hear(change))
}
