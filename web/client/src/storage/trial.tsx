/** What changed rules would have done to the studies of the last month, before they are saved. */

import { Alert } from 'antd'
import type { Course, Difference, Effect, Trial } from '../api/storage'
import type { Key } from '../catalogue'
import { useLanguage, useText, type Language, type Text } from '../language'
import { personName } from '../shown/patient'
import { Moment } from '../shown/moment'
import { useNow } from '../shown/now'
import { byteSize, count } from '../shown/size'
import { clock, dayWord } from '../shown/times'
import { DEFAULT } from './copy-rules'
import { whySentence } from './reason-words'

const EFFECTS: Exclude<Effect, 'same'>[] = ['newly', 'earlier', 'later', 'no-longer']

export function TrialResult({ trial }: { trial: Trial }) {
  const text = useText()
  const language = useLanguage()
  const { studies, differing, atOnce, atOnceBytes, items, whole } = trial
  const number = (value: number) => count(value, language)
  return (
    <section className="card trial" role="status" data-testid="trial">
      <h2>{text('trial.title')}</h2>
      <p data-testid="trial-summary">
        {studies === 0
          ? text('trial.noStudies')
          : differing === 0
            ? text('trial.noDifference', { studies: number(studies) })
            : text('trial.differing', { studies: number(studies), differing: number(differing) })}{' '}
        <span className="quiet">{text(whole ? 'trial.nothingWritten' : 'trial.newestOnly', { studies: number(studies) })}</span>
      </p>
      {atOnce > 0 && (
        <Alert
          type="warning"
          showIcon
          title={text('trial.atOnce', { studies: number(atOnce), size: byteSize(atOnceBytes, language) })}
          description={text('trial.atOnceHow')}
          data-testid="trial-at-once"
        />
      )}
      {differing > 0 && <Effects trial={trial} />}
      {items.length > 0 && (
        <table className="lines plain" aria-label={text('trial.title')}>
          <thead>
            <tr>
              <th scope="col">{text('column.study')}</th>
              <th scope="col" className="wide">{text('column.arrived')}</th>
              <th scope="col" className="number">{text('storage.size')}</th>
              <th scope="col">{text('trial.before')}</th>
              <th scope="col">{text('trial.after')}</th>
            </tr>
          </thead>
          <tbody>
            {items.map((item) => (
              <DifferenceLine key={`${item.origin}/${item.studyUid}`} item={item} />
            ))}
          </tbody>
        </table>
      )}
      {differing > items.length && (
        <p className="quiet">{text('trial.more', { listed: number(items.length), differing: number(differing) })}</p>
      )}
    </section>
  )
}

function Effects({ trial }: { trial: Trial }) {
  const text = useText()
  const language = useLanguage()
  const told = (['archive', 'expire'] as const).flatMap((what) =>
    EFFECTS.filter((effect) => (trial[what][effect] ?? 0) > 0).map((effect) => ({
      key: `effect.${what}.${effect}` as Key,
      studies: trial[what][effect] ?? 0,
    })),
  )
  if (told.length === 0) return null
  return (
    <ul className="effects">
      {told.map(({ key, studies }) => (
        <li key={key}>
          {text(key)} <b className="tabular">{count(studies, language)}</b>
        </li>
      ))}
    </ul>
  )
}

function DifferenceLine({ item }: { item: Difference }) {
  const text = useText()
  const language = useLanguage()
  const [name = '', id = ''] = item.label.split('\t')
  return (
    <tr data-testid={`difference-${item.studyUid}`} className={item.atOnce ? 'urgent' : ''}>
      <td className="lead">
        <span className="stacked">
          <span>
            <b>{item.modalities.join(' ')}</b> {personName(name, language) || id}
          </span>
          {!item.label && <span className="code quiet">{item.studyUid}</span>}
        </span>
      </td>
      <td className="wide">
        <Moment at={item.firstAt} />
      </td>
      <td className="number">{byteSize(item.bytes, language)}</td>
      <td>
        <CourseWords course={item.before} other={item.after} heading={text('trial.before')} />
      </td>
      <td>
        <CourseWords course={item.after} other={item.before} heading={text('trial.after')} />
      </td>
    </tr>
  )
}

/** A course by what it has otherwise than the other, what would be decided now among it. */
function CourseWords({ course, other, heading }: { course: Course; other: Course; heading: string }) {
  const text = useText()
  const language = useLanguage()
  const now = useNow(60)
  const why = whySentence(course.decision, text, language, now)
  return (
    <span className="stacked">
      <span>
        <span className="phone-only quiet">{heading} </span>
        <b>{course.rule === DEFAULT ? text('copyRules.others') : course.rule}</b>
      </span>
      {differing(course, other, text, language, now).map((words) => (
        <span key={words} className="tabular">
          {words}
        </span>
      ))}
      {why !== whySentence(other.decision, text, language, now) && <span className="quiet">{why}</span>}
    </span>
  )
}

function differing(course: Course, other: Course, text: Text, language: Language, now: number): string[] {
  const time = (at: number | null) => (at === null ? text('trial.never') : clock(at, now, language))
  const day = (at: number | null) => (at === null ? text('trial.never') : dayWord(at, language))
  return [
    course.archiveAt !== other.archiveAt && text('trial.archiveAt', { at: time(course.archiveAt) }),
    course.expireAt !== other.expireAt && text('trial.expireAt', { at: day(course.expireAt) }),
    course.retainedUntil !== other.retainedUntil &&
      (course.retainedUntil === null ? text('copyRules.keptForGood') : text('trial.retained', { at: day(course.retainedUntil) })),
    course.copies !== other.copies && text('copyRules.copiesOf', { count: course.copies }),
    course.profile !== other.profile && text(`profile.${course.profile}`),
  ].filter((words) => words !== false)
}
