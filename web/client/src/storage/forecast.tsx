/** How large the tiers are, how fast they grow, when they are full, and what leaves or ends next. */

import { Alert, Button } from 'antd'
import { useState } from 'react'
import { Link } from 'react-router'
import { about, useResource } from '../api/resource'
import type { Leaving, Outlook, Page, Place, Retention } from '../api/watch'
import { useLanguage, useText } from '../language'
import { Listed } from '../node/listed'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { Mark } from '../shown/mark'
import { Moment } from '../shown/moment'
import { byteSize, count } from '../shown/size'
import { dayWord, relative } from '../shown/times'
import { Chart } from './chart'
import { Figure } from './figure'
import { NamedStudy } from './named'
import { usePaged } from './paged'
import { DAY, largest, rowsOf } from './scale'

const NOTHING = { error: null, reload: () => undefined }

export function Forecast() {
  const text = useText()
  const { value, error, reload } = useResource<Outlook>('/api/archive/outlook', about('problem'))
  if (!value) return error ? <Failure error={error} again={reload} /> : <Waiting />
  if (value.places.length === 0) {
    return (
      <>
        {error && <Failure error={error} again={reload} />}
        <div className="empty" data-testid="forecast-empty">
          {text('forecast.empty')}
        </div>
      </>
    )
  }
  return (
    <>
      {error && <Failure error={error} again={reload} />}
      <Verdict outlook={value} />
      <section>
        <h2>{text('forecast.course')}</h2>
        {largest(value) > 0 ? (
          <div className="course">
            <div className="card">
              <Chart outlook={value} />
            </div>
            <Course outlook={value} />
          </div>
        ) : (
          <div className="empty">{text('forecast.nothingStored')}</div>
        )}
      </section>
      <section>
        <h2>{text('forecast.places')}</h2>
        <Places outlook={value} />
      </section>
      <section>
        <h2>{text('forecast.leaving')}</h2>
        <LeavingList outlook={value} />
      </section>
      <section>
        <h2>{text('forecast.retention')}</h2>
        <RetentionList outlook={value} />
      </section>
    </>
  )
}

/** The one sentence for which the page is opened. */
function Verdict({ outlook }: { outlook: Outlook }) {
  const text = useText()
  const language = useLanguage()
  const { onlineFullAt: at, madeAt, now } = outlook
  const soon = at !== null && at - now < 30 * DAY
  const title =
    madeAt === null
      ? text('forecast.none')
      : at === null
        ? text('forecast.neverFull')
        : text('forecast.full', { day: dayWord(at, language), left: relative(at, now, language) })
  return (
    <Alert
      className="verdict"
      type={soon ? 'warning' : 'info'}
      showIcon
      data-testid="forecast-verdict"
      title={title}
      description={
        madeAt !== null && (
          <>
            {outlook.onlineFullBy && `${text(`forecast.by.${outlook.onlineFullBy}`)} `}
            {text('forecast.rests', {
              studies: count(outlook.aheadStudies, language),
              arriving: byteSize(outlook.arrivingBytes, language),
            })}{' '}
            <span className="quiet">
              <Moment at={madeAt} />
            </span>
          </>
        )
      }
      action={outlook.limitBytes === 0 && <Link to="/storage/rules">{text('forecast.setLimit')}</Link>}
    />
  )
}

function Course({ outlook }: { outlook: Outlook }) {
  const text = useText()
  const language = useLanguage()
  const size = (bytes: number | null) => (bytes === null ? null : byteSize(bytes, language))
  const last = outlook.history.at(-1)
  return (
    <Listed
      label={text('forecast.course')}
      resource={{ ...NOTHING, value: { items: rowsOf(outlook) } }}
      keyOf={(point) => String(point.at)}
      testIdOf={(point) => `course-${Math.round((point.at - outlook.now) / DAY)}`}
      empty={text('forecast.empty')}
      headings={[
        {
          key: 'at',
          title: text('forecast.day'),
          className: 'lead',
          show: (point) => (
            <>
              <span className="nowrap">{dayWord(point.at, language)}</span>{' '}
              {point === last && <b>{text('forecast.today')}</b>}
              {point.at > outlook.now && <span className="quiet">{text('forecast.expected')}</span>}
            </>
          ),
        },
        {
          key: 'online',
          title: text('storage.online'),
          className: 'number',
          show: (point) => <Figure title={text('storage.online')}>{size(point.onlineBytes)}</Figure>,
        },
        {
          key: 'archive',
          title: text('storage.archive'),
          className: 'number',
          show: (point) => <Figure title={text('storage.archive')}>{size(point.archiveBytes)}</Figure>,
        },
      ]}
    />
  )
}

function Places({ outlook }: { outlook: Outlook }) {
  const text = useText()
  const language = useLanguage()
  const order = (place: Place) => ['online', 'archive'].indexOf(place.place) >>> 0
  const items = outlook.places.toSorted((one, other) => order(one) - order(other) || one.place.localeCompare(other.place))
  const measured = items.some((place) => place.month !== null)
  const daily = (bytes: number | undefined) =>
    bytes === undefined ? null : text('forecast.daily', { size: `${bytes < 0 ? '−' : '+'}${byteSize(Math.abs(bytes), language)}` })
  return (
    <>
      {!measured && (
        <p className="quiet above" data-testid="forecast-tomorrow">
          {text('forecast.tomorrow')}
        </p>
      )}
      <Listed
        label={text('forecast.places')}
        resource={{ ...NOTHING, value: { items } }}
        keyOf={(place) => place.place}
        testIdOf={(place) => `place-${place.place.replace('/', '-')}`}
        empty={text('forecast.empty')}
        headings={[
          { key: 'name', title: text('checks.place'), className: 'lead', show: (place) => <PlaceName place={place} /> },
          {
            key: 'size',
            title: text('forecast.now'),
            className: 'number',
            show: (place) => <Figure title={text('forecast.now')}>{byteSize(place.bytes, language)}</Figure>,
          },
          {
            key: 'month',
            title: text('forecast.month'),
            className: 'number',
            show: (place) => <Figure title={text('forecast.month')}>{daily(place.month?.dailyBytes)}</Figure>,
          },
          {
            key: 'quarter',
            title: text('forecast.quarter'),
            className: 'number',
            show: (place) => <Figure title={text('forecast.quarter')}>{daily(place.quarter?.dailyBytes)}</Figure>,
          },
          {
            key: 'room',
            title: text('storage.room'),
            className: 'number',
            show: (place) => (
              <Figure title={text('storage.room')}>{place.roomBytes !== null && byteSize(place.roomBytes, language)}</Figure>
            ),
          },
          {
            key: 'full',
            title: text('forecast.fullAt'),
            show: (place) => (
              <Figure title={text('forecast.fullAt')}>{place.fullAt !== null && <Full at={place.fullAt} now={outlook.now} />}</Figure>
            ),
          },
        ]}
      />
    </>
  )
}

function PlaceName({ place }: { place: Place }) {
  const text = useText()
  if (place.place === 'online') return <b>{text('storage.online')}</b>
  if (place.place === 'archive') {
    return (
      <>
        <b>{text('storage.archive')}</b> <span className="quiet">{text('forecast.oneCopy')}</span>
      </>
    )
  }
  return (
    <>
      <span className="quiet">{text('storage.store')}</span> <b className="nowrap">{place.place.slice('store/'.length)}</b>
    </>
  )
}

function Full({ at, now }: { at: number; now: number }) {
  const language = useLanguage()
  const words = `${dayWord(at, language)} · ${relative(at, now, language)}`
  if (at - now > 30 * DAY) return <>{words}</>
  return (
    <Mark shape="triangle" tone={at - now > 14 * DAY ? 'warn' : 'bad'}>
      {words}
    </Mark>
  )
}

function LeavingList({ outlook }: { outlook: Outlook }) {
  const text = useText()
  const language = useLanguage()
  const [open, setOpen] = useState(false)
  const { leavingStudies, leavingBytes } = outlook
  if (leavingStudies === 0) return <div className="empty">{text('forecast.noneLeaving')}</div>
  return (
    <>
      <p className="above" data-testid="leaving-total">
        <b>{text('storage.studies', { count: leavingStudies, shown: count(leavingStudies, language) })}</b>{' '}
        <b className="tabular">{byteSize(leavingBytes, language)}</b> <span className="quiet">{text('forecast.leavingHow')}</span>
      </p>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary data-testid="leaving-open">{text('forecast.leavingList')}</summary>
        {open && <LeavingStudies />}
      </details>
    </>
  )
}

function LeavingStudies() {
  const text = useText()
  const language = useLanguage()
  const paged = usePaged<Leaving, Page<Leaving>>('/api/archive/leaving', (each) => `${each.origin}/${each.studyUid}`)
  return (
    <>
      <Listed
        label={text('forecast.leaving')}
        resource={{ ...paged, value: paged.value && { items: paged.items } }}
        keyOf={(each) => `${each.origin}/${each.studyUid}`}
        testIdOf={(each) => `leaving-${each.studyUid}`}
        empty={text('forecast.noneLeaving')}
        headings={[
          { key: 'study', title: text('column.study'), className: 'lead', show: (each) => <NamedStudy study={each} /> },
          {
            key: 'size',
            title: text('storage.size'),
            className: 'number',
            show: (each) => <Figure title={text('storage.size')}>{byteSize(each.bytes, language)}</Figure>,
          },
          { key: 'at', title: text('forecast.leavesAt'), show: (each) => <Moment at={each.at} /> },
        ]}
      />
      {paged.more && (
        <Button className="more" onClick={paged.more} loading={paged.busy}>
          {text('list.more')}
        </Button>
      )}
    </>
  )
}

function RetentionList({ outlook }: { outlook: Outlook }) {
  const text = useText()
  const language = useLanguage()
  const column = (title: string, show: (each: Retention) => string) => ({
    key: title,
    title,
    className: 'number',
    show: (each: Retention) => <Figure title={title}>{show(each)}</Figure>,
  })
  return (
    <>
      {outlook.over > 0 && (
        <p className="above" data-testid="retention-over">
          {text('forecast.over', { count: outlook.over, shown: count(outlook.over, language) })}
        </p>
      )}
      <Listed
        label={text('forecast.retention')}
        resource={{ ...NOTHING, value: { items: outlook.retention } }}
        keyOf={(each) => String(each.years)}
        testIdOf={(each) => `retention-${each.years}`}
        empty={text('forecast.noneEnding')}
        headings={[
          {
            key: 'years',
            title: text('forecast.keptFor'),
            className: 'lead',
            show: (each) => <b>{text('forecast.years', { count: each.years })}</b>,
          },
          column(text('checks.studies'), (each) => count(each.studies, language)),
          column(text('storage.size'), (each) => byteSize(each.bytes, language)),
          { key: 'first', title: text('forecast.firstEnds'), show: (each) => dayWord(each.firstAt, language) },
        ]}
      />
    </>
  )
}
