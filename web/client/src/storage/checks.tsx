/** What shows that images would come back: the scrub's coverage, the last backup, and backups that were tried out. */

import { about, useResource } from '../api/resource'
import type { Backup, Checks as ChecksOf, Coverage, Drill } from '../api/watch'
import { useLanguage, useText } from '../language'
import { Listed } from '../node/listed'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { Mark } from '../shown/mark'
import { Moment } from '../shown/moment'
import { byteSize, count } from '../shown/size'
import { duration } from '../shown/times'
import { Bar } from './bar'
import { Figure } from './figure'
import { DAY } from './scale'

const SECOND = 1_000_000

export function Checks() {
  const text = useText()
  const { value, error, reload } = useResource<ChecksOf>('/api/archive/checks', about('problem'))
  if (!value) return error ? <Failure error={error} again={reload} /> : <Waiting />
  return (
    <>
      {error && <Failure error={error} again={reload} />}
      <section>
        <h2>{text('checks.scrub')}</h2>
        <p className="quiet above" data-testid="scrub-rate">
          {value.scrubMbS > 0
            ? text('checks.scrubHow', { rate: value.scrubMbS, days: value.scrubDays })
            : text('checks.scrubOff')}
        </p>
        <div className="tiers">
          <Compared tier="online" coverage={value.online} days={value.recentDays} />
          <Compared tier="archive" coverage={value.archive} days={value.recentDays} />
        </div>
      </section>
      <section>
        <h2>{text('checks.backups')}</h2>
        <Backups checks={value} />
      </section>
      <section>
        <h2>{text('checks.drills')}</h2>
        <Drills checks={value} />
      </section>
    </>
  )
}

function Compared({ tier, coverage, days }: { tier: 'online' | 'archive'; coverage: Coverage; days: number }) {
  const text = useText()
  const language = useLanguage()
  const { bytes, recentBytes, oldestAge, damaged, healed, lost } = coverage
  const late = bytes - recentBytes
  return (
    <article className="card" data-testid={`scrub-${tier}`}>
      <header>
        <h2>{text(`storage.${tier}`)}</h2>
        <span className="quiet">
          {text(`checks.of.${tier}`, { count: coverage.count, shown: count(coverage.count, language) })}
        </span>
      </header>
      {coverage.count === 0 ? (
        <p className="quiet">{text('checks.nothing')}</p>
      ) : (
        <>
          <Bar
            label={text(`storage.${tier}`)}
            pieces={[
              { tone: 'second', label: text('checks.recent', { days }), value: recentBytes, words: byteSize(recentBytes, language) },
              { tone: 'room', label: text('checks.late'), value: late, words: byteSize(late, language) },
            ]}
          />
          {oldestAge !== null && <p className="quiet">{text('checks.oldest', { age: duration(oldestAge, language) })}</p>}
        </>
      )}
      <p className="damage">
        {lost > 0 && (
          <Mark shape="cross" tone="bad">
            {text('checks.lost', { shown: count(lost, language) })}
          </Mark>
        )}
        {damaged > 0 && (
          <Mark shape="triangle" tone="bad">
            {text('checks.damaged', { shown: count(damaged, language) })}
          </Mark>
        )}
        {healed > 0 && (
          <Mark shape="disc" tone="quiet">
            {text('checks.healed', { shown: count(healed, language) })}
          </Mark>
        )}
        {coverage.count > 0 && lost + damaged === 0 && (
          <Mark shape="disc" tone="good">
            {text('checks.noDamage')}
          </Mark>
        )}
      </p>
    </article>
  )
}

interface LastProps {
  at: number | undefined
  now: number
  days: number
  never: string
  testId: string
  /** What was found then that should not be. */
  wrong?: string | null
}

/** How long ago, and whether that is as it should be. */
function Last({ at, now, days, never, testId, wrong }: LastProps) {
  const text = useText()
  const late = days > 0 && (at === undefined || now - at > days * DAY)
  const shape = wrong ? 'cross' : late ? 'triangle' : at === undefined ? 'ring' : 'disc'
  const tone = wrong || late ? 'bad' : at === undefined ? 'quiet' : 'good'
  return (
    <p className="above" data-testid={testId}>
      <Mark shape={shape} tone={tone}>
        {at === undefined ? never : <Moment at={at} />} {wrong}
      </Mark>{' '}
      <span className="quiet">{days > 0 ? text('checks.rule', { count: days }) : text('checks.noRule')}</span>
    </p>
  )
}

function Command({ words }: { words: string }) {
  const text = useText()
  return (
    <p className="command above">
      <span className="quiet">{text('checks.do')}</span> <code>{words}</code>
    </p>
  )
}

function Backups({ checks }: { checks: ChecksOf }) {
  const text = useText()
  const language = useLanguage()
  const last = checks.backups[0]
  const place = last?.place ?? 'PLACE'
  const bytes = (title: string, show: (backup: Backup) => string) => ({
    key: title,
    title,
    className: 'number',
    show: (backup: Backup) => <Figure title={title}>{show(backup)}</Figure>,
  })
  return (
    <>
      <Last at={last?.at} now={checks.now} days={checks.withinDays} never={text('checks.noBackup')} testId="last-backup" />
      <Command words={`meridian backup ${checks.state} --to ${place}`} />
      {checks.backups.length > 0 && (
        <Listed
          label={text('checks.backups')}
          resource={{ value: { items: checks.backups }, error: null, reload: () => undefined }}
          keyOf={(backup) => backup.backup}
          testIdOf={(backup) => `backup-${backup.backup.slice(0, 8)}`}
          empty={text('checks.noBackup')}
          headings={[
            { key: 'at', title: text('column.time'), className: 'lead', show: (backup) => <Moment at={backup.at} /> },
            { key: 'place', title: text('checks.place'), show: (backup) => <span className="code">{backup.place}</span> },
            bytes(text('storage.size'), (backup) => byteSize(backup.bytes, language)),
            bytes(text('checks.new'), (backup) => byteSize(backup.newBytes, language)),
            { key: 'name', title: text('checks.name'), className: 'code wide', show: (backup) => backup.backup.slice(0, 16) },
          ]}
        />
      )}
    </>
  )
}

function Drills({ checks }: { checks: ChecksOf }) {
  const text = useText()
  const language = useLanguage()
  const last = checks.drills[0]
  const place = checks.backups[0]?.place ?? 'PLACE'
  const differences = (drill: Drill) =>
    text('alarm.differences', { count: drill.differences, shown: count(drill.differences, language) })
  const number = (title: string, show: (drill: Drill) => string) => ({
    key: title,
    title,
    className: 'number',
    show: (drill: Drill) => <Figure title={title}>{show(drill)}</Figure>,
  })
  return (
    <>
      <Last
        at={last?.at}
        now={checks.now}
        days={checks.drillWithinDays}
        never={text('checks.noDrill')}
        testId="last-drill"
        wrong={last && last.differences > 0 ? differences(last) : null}
      />
      <Command words={`meridian drill ${place} --key DRAWER --state ${checks.state}`} />
      {checks.drills.length > 0 && (
        <Listed
          label={text('checks.drills')}
          resource={{ value: { items: checks.drills }, error: null, reload: () => undefined }}
          keyOf={(drill) => String(drill.at)}
          testIdOf={(drill) => `drill-${drill.backup.slice(0, 8)}`}
          toneOf={(drill) => (drill.differences > 0 ? 'alarm' : '')}
          empty={text('checks.noDrill')}
          headings={[
            { key: 'at', title: text('column.time'), className: 'lead', show: (drill) => <Moment at={drill.at} /> },
            {
              key: 'differences',
              title: text('checks.differences'),
              show: (drill) => (
                <Mark shape={drill.differences > 0 ? 'cross' : 'disc'} tone={drill.differences > 0 ? 'bad' : 'good'}>
                  {differences(drill)}
                </Mark>
              ),
            },
            number(text('checks.studies'), (drill) => count(drill.studies, language)),
            number(text('checks.instances'), (drill) => count(drill.instances, language)),
            number(text('checks.took'), (drill) => duration(Math.max(drill.seconds, 1) * SECOND, language)),
            {
              key: 'made',
              title: text('checks.ofBackup'),
              show: (drill) => (
                <Figure title={text('checks.ofBackup')}>
                  <Moment at={drill.madeAt} short /> <span className="code quiet wide">{drill.backup.slice(0, 8)}</span>
                </Figure>
              ),
            },
          ]}
        />
      )}
    </>
  )
}
