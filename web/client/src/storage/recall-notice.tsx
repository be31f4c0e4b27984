/** Says, on whatever page one is, that a study that one asked for is online, or did not come. */

import { App, Button } from 'antd'
import { useEffect, useRef } from 'react'
import { useNavigate } from 'react-router'
import { about, useResource } from '../api/resource'
import type { Tickets } from '../api/storage'
import { useLanguage, useText } from '../language'
import { useRole } from '../session/session'
import { personName } from '../shown/patient'
import { endedSince, type Known } from './own-recalls'
import { useAskedAgain } from './asked-again'
import { isOpen } from './recalls'

const SHOWN_S = 10

export function RecallNotice() {
  const technician = useRole('technician')
  const expert = useRole('expert')
  return technician || expert ? <Notice /> : null
}

function Notice() {
  const text = useText()
  const language = useLanguage()
  const navigate = useNavigate() // what is notified stands outside of the router
  const { notification } = App.useApp()
  const { value, reload } = useResource<Tickets>('/api/recalls', about('study'))
  const known = useRef<Known | null>(null)
  useAskedAgain(reload, value?.items.some(isOpen) ?? false)
  useEffect(() => {
    if (!value) return
    const ended = known.current === null ? [] : endedSince(known.current, value.items)
    const states = new Map(value.items.map((each) => [each.id, each.state]))
    known.current = { states, since: known.current?.since ?? value.now }
    for (const ticket of ended.filter((each) => each.why === 'asked')) {
      const [name = '', id = ''] = ticket.label.split('\t')
      const came = ticket.state === 'done'
      notification[came ? 'success' : 'error']({
        title: text(came ? 'recall.cameBack' : 'recall.didNotCome'),
        description: (
          <span data-testid={`recall-notice-${ticket.id}`}>
            {personName(name, language) || id || ticket.studyUid} {ticket.modalities.join(' ')} {ticket.words}{' '}
            <Button type="link" size="small" onClick={() => void navigate(`/studies/${ticket.origin}/${ticket.studyUid}`)}>
              {text('recall.open')}
            </Button>
          </span>
        ),
        duration: SHOWN_S,
      })
    }
  }, [value, notification, text, language, navigate])
  return null
}
