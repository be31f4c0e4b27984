/** Both tiers at a glance: how full, how safe, what is decided. */

import { Link } from 'react-router'
import type { Archive, Tier, TierName } from '../api/storage'
import { about, useResource } from '../api/resource'
import { TAGS, useLanguage, useText, type Language } from '../language'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { byteSize, count } from '../shown/size'
import { Bar, type Piece } from './bar'
import { PressureNotice } from './pressure'
import { reasonWord } from './reason-words'
import { Stores } from './stores'

export function Overview() {
  const text = useText()
  const archive = useResource<Archive>('/api/archive', about('study'))
  const { value, error, reload } = archive
  if (!value) return error ? <Failure error={error} again={reload} /> : <Waiting />
  return (
    <>
      {error && <Failure error={error} again={reload} />}
      <PressureNotice pressure={value.pressure} />
      <Tiers archive={value} />
      <section>
        <h2>{text('storage.stores')}</h2>
        <Stores stores={value.stores} copies={value.copies} />
      </section>
      <section>
        <h2>{text('storage.reasons')}</h2>
        <Reasons archive={value} />
      </section>
    </>
  )
}

function Tiers({ archive }: { archive: Archive }) {
  const text = useText()
  const language = useLanguage()
  const of = (name: TierName): Tier =>
    archive.tiers.find((each) => each.tier === name) ?? { tier: name, studies: 0, originalBytes: 0, packageBytes: 0 }
  const { running, waiting } = archive
  return (
    <div className="tiers">
      <OnlineTier archive={archive} online={of('online')} both={of('both')} />
      <ArchiveTier both={of('both')} archived={of('archived')} />
      <article className="card" data-testid="tier-recalls">
        <header>
          <h2>{text('storage.recalls')}</h2>
          <span className="quiet">{text('storage.recallsHow')}</span>
        </header>
        <p className="figure">
          <b>{count(running + waiting, language)}</b>
          <span className="quiet">
            {text('storage.recallsOpen', { running: count(running, language), waiting: count(waiting, language) })}
          </span>
        </p>
        <p>
          <Link to="/storage/recalls">{text('storage.seeRecalls')}</Link>
        </p>
      </article>
    </div>
  )
}

function OnlineTier({ archive, online, both }: { archive: Archive; online: Tier; both: Tier }) {
  const text = useText()
  const language = useLanguage()
  const piece = usePiece()
  const limit = archive.onlineLimitBytes
  const bytes = online.originalBytes + both.originalBytes
  const room = limit ? Math.max(0, limit - bytes) : archive.onlineRoomBytes
  const left = text(limit ? 'storage.underLimit' : 'storage.room')
  return (
    <article className="card" data-testid="tier-online">
      <header>
        <h2>{text('storage.online')}</h2>
        <span className="quiet">{text('storage.onlineHow')}</span>
      </header>
      <Whole bytes={bytes} studies={online.studies + both.studies} />
      <Bar
        label={text('storage.online')}
        pieces={[
          piece('first', online, online.originalBytes),
          piece('second', both, both.originalBytes),
          { tone: 'room', label: left, value: room, words: byteSize(room, language) },
        ]}
      />
      {limit > 0 ? (
        <p className={bytes > limit ? 'mark bad' : 'quiet'}>
          {text('storage.limit', { limit: byteSize(limit, language), share: percent(bytes / limit, language) })}
        </p>
      ) : (
        <>
          <p className="quiet">{text('storage.noLimit')}</p>
          <p>
            <Link to="/storage/rules">{text('storage.setLimit')}</Link>
          </p>
        </>
      )}
    </article>
  )
}

function ArchiveTier({ both, archived }: { both: Tier; archived: Tier }) {
  const text = useText()
  const language = useLanguage()
  const piece = usePiece()
  const bytes = both.packageBytes + archived.packageBytes
  const original = both.originalBytes + archived.originalBytes
  return (
    <article className="card" data-testid="tier-archive">
      <header>
        <h2>{text('storage.archive')}</h2>
        <span className="quiet">{text('storage.archiveHow')}</span>
      </header>
      <Whole bytes={bytes} studies={both.studies + archived.studies} />
      <Bar
        label={text('storage.archive')}
        pieces={[piece('second', both, both.packageBytes), piece('third', archived, archived.packageBytes)]}
      />
      <p className="quiet">
        {original > 0
          ? text('storage.saved', { share: percent(bytes / original, language), original: byteSize(original, language) })
          : text('storage.nothingArchived')}
      </p>
    </article>
  )
}

function Whole({ bytes, studies }: { bytes: number; studies: number }) {
  const text = useText()
  const language = useLanguage()
  return (
    <p className="figure">
      <b>{byteSize(bytes, language)}</b>
      <span className="quiet">{text('storage.studies', { count: studies, shown: count(studies, language) })}</span>
    </p>
  )
}

/** A tier as a part of a bar. */
function usePiece(): (tone: Piece['tone'], tier: Tier, bytes: number) => Piece {
  const text = useText()
  const language = useLanguage()
  return (tone, { tier, studies }, bytes) => ({
    tone,
    label: text(`tier.${tier}`),
    value: bytes,
    words: `${byteSize(bytes, language)} · ${text('storage.studies', { count: studies, shown: count(studies, language) })}`,
  })
}

function percent(share: number, language: Language): string {
  return new Intl.NumberFormat(TAGS[language], { style: 'percent' }).format(share)
}

function Reasons({ archive }: { archive: Archive }) {
  const text = useText()
  const language = useLanguage()
  const { reasons } = archive
  if (reasons.length === 0) return <div className="empty">{text('storage.noReasons')}</div>
  const all = reasons.reduce((sum, each) => sum + each.studies, 0)
  return (
    <ul className="reasons" data-testid="reasons">
      {reasons.map((each) => (
        <li key={each.reason} data-testid={`reason-${each.reason}`}>
          <span>{reasonWord(each.reason, text)}</span>
          <span className="tabular">{text('storage.studies', { count: each.studies, shown: count(each.studies, language) })}</span>
          <span className="track" aria-hidden="true">
            <span style={{ width: `${(100 * each.studies) / all}%` }} />
          </span>
        </li>
      ))}
    </ul>
  )
}
