/** What the pool's home said about a case, in order. */

import type { Fact } from '../api/types'
import { useText } from '../language'
import { Moment } from '../shown/moment'
import { eventKey } from './event-words'

export function CaseFacts({ facts }: { facts: Fact[] }) {
  const text = useText()
  if (facts.length === 0) return null
  return (
    <ol className="facts-line" data-testid="case-facts">
      {facts.map((fact) => {
        const key = eventKey(fact.type)
        return (
          <li key={`${fact.at} ${fact.type}`}>
            <b>{key ? text(key) : fact.type}</b> {words(fact.body)}
            <span className="quiet">
              {fact.node} · <Moment at={fact.at} />
            </span>
          </li>
        )
      })}
    </ol>
  )
}

/** Who and why, of what home says. */
function words(body: Record<string, unknown>): string {
  return ['name', 'reason']
    .map((field) => body[field])
    .filter((value): value is string => typeof value === 'string' && value !== '')
    .join(' · ')
}
