/** What became of one's own recalls between two answers. Pure. */

import type { Ticket } from '../api/storage'

/** The tickets that ended since they were last seen on their way; none of those that had ended when the page was opened. */
export function endedSince(before: ReadonlyMap<string, Ticket['state']>, now: Ticket[]): Ticket[] {
  return now.filter((each) => {
    const was = before.get(each.id)
    return (was === 'waiting' || was === 'running') && (each.state === 'done' || each.state === 'failed')
  })
}
