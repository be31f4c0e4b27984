/** How many cases wait for an expert: beside the word in the bar and in the tab's title. */

import { useEffect } from 'react'
import { useLocation } from 'react-router'
import { about, useResource } from '../api/resource'
import type { Case } from '../api/types'
import { useText } from '../language'
import { useRole, useSession } from '../session/session'

export function QueueCount() {
  const expert = useRole('expert')
  const queue = useResource<{ items: Case[] }>(expert ? '/api/consults?box=queue' : null, about('case'))
  const waiting = queue.value?.items.length ?? 0
  useTitle(waiting)
  if (waiting === 0) return null
  return (
    <span className="count" data-testid="queue-count">
      {waiting}
    </span>
  )
}

function useTitle(waiting: number): void {
  const text = useText()
  const { me } = useSession()
  const { pathname } = useLocation()
  const name = me?.node.name ?? ''
  useEffect(() => {
    const title = text('app.title', { node: name })
    document.title = waiting > 0 ? text('app.titleCount', { title, waiting }) : title
  }, [text, name, waiting, pathname])
}
