/** Studies on their way: how far each has come, how fast, and what became of it. */

import { Button } from 'antd'
import { useEffect } from 'react'
import { Link } from 'react-router'
import { useAction } from '../api/action'
import { post } from '../api/client'
import type { Transfer, Transfers } from '../api/remote'
import { about, useResource, type Resource } from '../api/resource'
import type { Micros } from '../api/types'
import { useLanguage, useText } from '../language'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { Mark, type Shape, type Tone } from '../shown/mark'
import { Moment } from '../shown/moment'
import { personName } from '../shown/patient'
import { byteSize, count } from '../shown/size'

const SHOWN: Record<Transfer['state'], { shape: Shape; tone: Tone }> = {
  waiting: { shape: 'ring', tone: 'quiet' },
  running: { shape: 'half', tone: 'busy' },
  done: { shape: 'disc', tone: 'good' },
  failed: { shape: 'cross', tone: 'bad' },
  cancelled: { shape: 'square', tone: 'quiet' },
}
const EVERY_MS = 1000
const SECOND = 1_000_000

/** Rows are written once a second while something goes on; so often they are read. */
export function useTransfers(path: string | null): Resource<Transfers> {
  const transfers = useResource<Transfers>(path, about('transfer'))
  const { reload } = transfers
  const goesOn = transfers.value?.items.some((each) => each.state === 'running' || each.state === 'waiting') ?? false
  useEffect(() => {
    if (!goesOn) return
    const timer = window.setInterval(reload, EVERY_MS)
    return () => window.clearInterval(timer)
  }, [goesOn, reload])
  return transfers
}

export function TransferList() {
  const text = useText()
  const transfers = useTransfers('/api/transfers')
  const { value, error, reload } = transfers
  if (!value) return error ? <Failure error={error} again={reload} /> : <Waiting />
  return (
    <>
      {error && <Failure error={error} again={reload} />}
      {value.items.length === 0 ? (
        <div className="empty" data-testid="transfers-empty">
          {text('transfers.none')}
        </div>
      ) : (
        <div className="transfers">
          {value.items.map((each) => (
            <TransferLine key={each.id} transfer={each} now={value.now} reload={reload} named />
          ))}
        </div>
      )}
    </>
  )
}

interface LineProps {
  transfer: Transfer
  /** By the node's clock. */
  now: Micros
  reload: () => void
  /** Say which study it is, where the page is not about it. */
  named?: boolean
}

export function TransferLine({ transfer, now, reload, named = false }: LineProps) {
  const text = useText()
  const language = useLanguage()
  const { busy, run } = useAction()
  const { state, asked, done, failed, warned, bytes } = transfer
  const act = async (what: 'stop' | 'again') => {
    if (await run(() => post(`/api/transfers/${transfer.id}/${what}`))) reload()
  }
  const [name = '', id = ''] = transfer.label.split('\t')
  const took = transfer.beganAt === null ? 0 : (transfer.endedAt ?? now) - transfer.beganAt
  const rate = took > SECOND && bytes > 0 && transfer.attempts <= 1 ? byteSize((bytes * SECOND) / took, language) : ''
  const goesOn = state === 'running' || state === 'waiting'
  return (
    <article className="card transfer" data-testid={`transfer-${transfer.id}`}>
      <header>
        <Mark {...SHOWN[state]} testId="transfer-state">
          {text(transfer.stopping ? 'transfer.stopping' : `transfer.${state}`)}
        </Mark>
        <span>{text(`transfer.kind.${transfer.kind}`, { name: transfer.remoteName })}</span>
        {named && (
          <Link to={`/studies/${transfer.origin}/${transfer.studyUid}`} className="strong">
            {personName(name, language) || id || transfer.studyUid}
          </Link>
        )}
        {named && name && <span className="quiet">{id}</span>}
        {transfer.series > 0 && <span className="quiet">{text('transfer.series', { count: transfer.series })}</span>}
        <span className="quiet">
          <Moment at={transfer.at} /> {transfer.byName}
        </span>
        {goesOn && (
          <Button size="small" loading={busy} disabled={transfer.stopping} onClick={() => void act('stop')} data-testid="transfer-stop">
            {text('transfer.stop')}
          </Button>
        )}
        {(state === 'failed' || state === 'cancelled') && (
          <Button size="small" loading={busy} onClick={() => void act('again')} data-testid="transfer-again">
            {text('common.again')}
          </Button>
        )}
      </header>
      <div className="transfer-far">
        <progress
          max={asked ?? 1}
          {...(asked === null && state === 'running' ? {} : { value: asked === null ? (state === 'done' ? 1 : 0) : done + failed })}
          aria-label={text('transfer.far')}
        />
        <span className="tabular" data-testid="transfer-counts">
          {text(asked === null ? 'transfer.countsOpen' : 'transfer.counts', {
            done: count(done, language),
            asked: count(asked ?? 0, language),
          })}
        </span>
        {asked !== null && goesOn && (
          <span className="quiet tabular">{text('transfer.left', { left: count(Math.max(asked - done - failed, 0), language) })}</span>
        )}
        {failed > 0 && (
          <Mark shape="cross" tone="bad" testId="transfer-failed">
            {text('transfer.failedCount', { count: failed })}
          </Mark>
        )}
        {warned > 0 && (
          <Mark shape="triangle" tone="warn" testId="transfer-warned">
            {text('transfer.warnedCount', { count: warned })}
          </Mark>
        )}
        <span className="quiet tabular">{byteSize(bytes, language)}</span>
        {rate && <span className="quiet tabular">{text('transfer.rate', { rate })}</span>}
        {state === 'waiting' && transfer.attempts > 0 && (
          <span className="quiet">
            {text('transfer.next')} <Moment at={transfer.nextAt} />
          </span>
        )}
      </div>
      {transfer.words && (
        <p className={state === 'failed' ? 'prose' : 'prose quiet'} data-testid="transfer-words">
          {transfer.words}
        </p>
      )}
    </article>
  )
}
