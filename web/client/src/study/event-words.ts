/** The names of events in a person's words; an event of a later version keeps its own name. */

import { catalogue, type Key } from '../catalogue'

/** The catalogue's key for an event name, or null when it has none. */
export function eventKey(name: string): Key | null {
  const key = `event.${name.replace(/\/\d+$/, '')}`
  return key in catalogue ? (key as Key) : null
}

/** The catalogue's key for a kind of problem, or null when it has none. */
export function problemKey(kind: string): Key | null {
  const key = `problem.${kind}`
  return key in catalogue ? (key as Key) : null
}
