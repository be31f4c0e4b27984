/** The names of events and problems in a person's words; one of a later version keeps its own name. */

import { catalogue, type Key } from '../catalogue'

/** What events of a case are called where the story calls them otherwise. */
const SAME: Record<string, string> = {
  'study-announced': 'announced',
  'study-completed': 'completed',
  'instance-conflict-found': 'conflict',
  'amendment-sent': 'amended',
  'report-reviewed': 'reviewed',
  'case-offered': 'offered',
  'case-claimed': 'claimed',
  'claim-released': 'released',
  'claim-lapsed': 'lapsed',
  'case-read': 'read',
  'case-declined': 'declined',
  'case-cancelled': 'cancelled',
  'deadline-passed': 'overdue',
  'case-signed': 'signed',
  'case-resumed': 'resumed',
}

/** The catalogue's key for an event name, or null when it has none. */
export function eventKey(name: string): Key | null {
  const bare = name.replace(/\/\d+$/, '')
  return known(`event.${SAME[bare] ?? bare}`)
}

/** The catalogue's key for a kind of problem, or null when it has none. */
export function problemKey(kind: string): Key | null {
  return known(`problem.${kind}`)
}

/** The catalogue's key for what a kind of problem means and what to do, or null when it has none. */
export function problemHowKey(kind: string): Key | null {
  return known(`problemHow.${kind}`)
}

function known(key: string): Key | null {
  return key in catalogue ? (key as Key) : null
}
