/** A study's whole journey on both nodes, as a time line. */

import { useState } from 'react'
import type { Change } from '../api/live'
import { useResource } from '../api/resource'
import type { StoryEvent } from '../api/types'
import { useLanguage, useText, type Text } from '../language'
import { Failure } from '../shown/failure'
import { Moment } from '../shown/moment'
import { byteSize } from '../shown/size'
import { eventKey } from './event-words'

interface StoryProps {
  address: string
  follow: (change: Change) => boolean
}

export function Story({ address, follow }: StoryProps) {
  const text = useText()
  const [open, setOpen] = useState(false)
  const story = useResource<{ events: StoryEvent[] }>(open ? address : null, follow)
  return (
    <details className="story" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary data-testid="story-open">{text('story.title')}</summary>
      {story.error && <Failure error={story.error} again={story.reload} />}
      {story.value?.events.length === 0 && <p className="quiet">{text('story.none')}</p>}
      <ol className="timeline" data-testid="story">
        {story.value?.events.map((event, n) => (
          <StoryLine key={`${event.at} ${event.what} ${n}`} event={event} />
        ))}
      </ol>
    </details>
  )
}

function StoryLine({ event }: { event: StoryEvent }) {
  const text = useText()
  const language = useLanguage()
  const key = eventKey(event.what)
  return (
    <li>
      <Moment at={event.at} short />
      <span className="story-node">{event.node}</span>
      <b>{key ? text(key) : event.what}</b>
      {event.who && <span>{event.who}</span>}
      {event.what === 'withheld' && <span className="quiet">{String(event.detail.reason)}</span>}
      {event.bytes !== undefined && <span className="quiet tabular">{byteSize(event.bytes, language)}</span>}
      <span className="quiet tabular">{details(event.detail, text)}</span>
    </li>
  )
}

/** How many images, and in which part; ids and inner times are for `meridian story`. */
function details({ instances, part }: Record<string, unknown>, text: Text): string {
  const words: string[] = []
  if (typeof part === 'number') words.push(text('story.part', { part }))
  if (typeof instances === 'number') words.push(text('images.count', { count: instances }))
  return words.join(' · ')
}
