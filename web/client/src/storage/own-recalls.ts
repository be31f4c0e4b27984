/** What became of one's own recalls between two answers. Pure. */

import type { Ticket } from '../api/storage'
import type { Micros } from '../api/types'

/** What is known from the answer before. */
export interface Known {
  states: ReadonlyMap<string, Ticket['state']>
  /** When the page was opened, by the node's clock: what was asked for since and is not known came and went in between. */
  since: Micros
}

/** The tickets that ended since they were last seen on their way; none of those that had ended when the page was opened. */
export function endedSince({ states, since }: Known, now: Ticket[]): Ticket[] {
  return now.filter((each) => {
    const was = states.get(each.id)
    const isNews = was === 'waiting' || was === 'running' || (was === undefined && each.at >= since)
    return isNews && (each.state === 'done' || each.state === 'failed')
  })
}
