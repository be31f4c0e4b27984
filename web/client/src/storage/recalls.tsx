/** Studies on their way back from the archive: their place, how far, how long still, and what became of earlier ones. */

import { Button } from 'antd'
import { useState } from 'react'
import { Link } from 'react-router'
import { get } from '../api/client'
import { about, useResource } from '../api/resource'
import type { Ticket, Tickets } from '../api/storage'
import { useLanguage, useText } from '../language'
import { Waiting } from '../session/guard'
import { useSession } from '../session/session'
import { Failure } from '../shown/failure'
import { Mark, type Shape, type Tone } from '../shown/mark'
import { Moment } from '../shown/moment'
import { personName } from '../shown/patient'
import { byteSize, count } from '../shown/size'
import { duration } from '../shown/times'
import { useAskedAgain } from './asked-again'
import { recallWord } from './reason-words'
import { Worklists } from './worklists'

const PATH = '/api/archive/recalls'
const SHOWN: Record<Ticket['state'], { shape: Shape; tone: Tone }> = {
  waiting: { shape: 'ring', tone: 'quiet' },
  running: { shape: 'half', tone: 'busy' },
  done: { shape: 'disc', tone: 'good' },
  failed: { shape: 'cross', tone: 'bad' },
}
const SECOND = 1_000_000

export function isOpen(ticket: Ticket): boolean {
  return ticket.state === 'waiting' || ticket.state === 'running'
}

export function Recalls() {
  const text = useText()
  const language = useLanguage()
  const recalls = useResource<Tickets>(PATH, about('study'))
  const [older, setOlder] = useState<Tickets | null>(null)
  const [busy, setBusy] = useState(false)
  const { value, error, reload } = recalls
  useAskedAgain(reload, value?.items.some(isOpen) ?? false)
  if (!value) return error ? <Failure error={error} again={reload} /> : <Waiting />
  const next = older ? older.next : value.next
  const fresh = new Set(value.items.map((each) => each.id))
  const rest = older?.items.filter((each) => !fresh.has(each.id)) ?? []
  const more = () => {
    setBusy(true)
    get<Tickets>(`${PATH}?before=${next}`)
      .then((page) => setOlder({ ...page, items: [...(older?.items ?? []), ...page.items] }))
      .catch(() => undefined)
      .finally(() => setBusy(false))
  }
  return (
    <section>
      {error && <Failure error={error} again={reload} />}
      <Worklists />
      {value.items.length === 0 ? (
        <div className="empty" data-testid="recalls-empty">
          {text('recalls.none')}
        </div>
      ) : (
        <>
          {value.bytesPerSecond !== null && (
            <p className="quiet">{text('recalls.rate', { rate: byteSize(value.bytesPerSecond, language) })}</p>
          )}
          <div className="transfers">
            {[...value.items, ...rest].map((each) => (
              <RecallLine key={each.id} ticket={each} named />
            ))}
          </div>
          {next && (
            <Button className="more" onClick={more} loading={busy}>
              {text('list.more')}
            </Button>
          )}
        </>
      )}
    </section>
  )
}

/** One recall; ``named`` where the page is not about its study. */
export function RecallLine({ ticket, named = false }: { ticket: Ticket; named?: boolean }) {
  const text = useText()
  const language = useLanguage()
  const { state, done, instances, bytes, beganAt, endedAt } = ticket
  const took = beganAt !== null && endedAt !== null ? endedAt - beganAt : 0
  return (
    <article className="card transfer" data-testid={`recall-${ticket.id}`}>
      <header>
        <Mark {...SHOWN[state]} testId="recall-state">
          {text(`recall.${state}`)}
        </Mark>
        {named && <Whose ticket={ticket} />}
        <span className="quiet">
          {text('recall.asked', { who: ticket.who || text('recall.itself'), why: recallWord(ticket.why, text) })} ·{' '}
          <Moment at={ticket.at} />
          {ticket.seriesUid && <> · {text('recall.series')}</>}
        </span>
      </header>
      <div className="transfer-far">
        <progress max={Math.max(instances, 1)} value={done} aria-label={text('recall.far')} />
        <span className="tabular" data-testid="recall-counts">
          {text('transfer.counts', { done: count(done, language), asked: count(instances, language) })}
        </span>
        <span className="quiet tabular">{byteSize(bytes, language)}</span>
        {state === 'waiting' && (
          <span className="tabular" data-testid="recall-position">
            {ticket.position > 1
              ? text('recall.position', { position: count(ticket.position, language) })
              : text('recall.first')}
          </span>
        )}
        {isOpen(ticket) && (
          <span className="quiet tabular" data-testid="recall-left">
            {ticket.left === null ? text('recall.leftUnknown') : text('recall.left', { time: duration(ticket.left, language) })}
          </span>
        )}
        {state === 'done' && took > 0 && (
          <span className="quiet tabular">
            {text('recall.took', { time: duration(Math.max(took, SECOND), language) })}
          </span>
        )}
      </div>
      {ticket.words && <p className="prose">{ticket.words}</p>}
    </article>
  )
}

/** Whose study it is for who may see it; for all others its number. */
function Whose({ ticket }: { ticket: Ticket }) {
  const text = useText()
  const language = useLanguage()
  const { me } = useSession()
  const [name = '', id = ''] = ticket.label.split('\t')
  if (!ticket.label) {
    return (
      <span className="code" title={text('recall.hidden')}>
        {ticket.origin !== me?.node.id && `${ticket.origin} `}
        {ticket.studyUid}
      </span>
    )
  }
  return (
    <>
      <Link to={`/studies/${ticket.origin}/${ticket.studyUid}`} className="strong">
        {personName(name, language) || id || ticket.studyUid}
      </Link>
      {name && <span className="quiet">{id}</span>}
      {ticket.modalities.length > 0 && <span>{ticket.modalities.join(' ')}</span>}
    </>
  )
}
