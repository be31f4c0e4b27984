/** What a person has to see to now, above every page of the storage: alarms that stand, each with what to do. */

import { Alert } from 'antd'
import { Link } from 'react-router'
import { about, useResource } from '../api/resource'
import type { Alarm } from '../api/watch'
import { useLanguage, useText } from '../language'
import { Moment } from '../shown/moment'
import { byteSize, count } from '../shown/size'
import { dayWord } from '../shown/times'
import { problemHowKey, problemKey } from '../study/event-words'

/** Red where something is lost or refused already. */
const GRAVE = ['disk-reserve', 'drill-differs']
const PLACES: Record<string, string> = {
  'online-tier-filling': '/storage/forecast',
  'store-filling': '/storage/forecast',
  'disk-reserve': '/storage/forecast',
  'backup-overdue': '/storage/checks',
  'drill-overdue': '/storage/checks',
  'drill-differs': '/storage/checks',
}

export function AlarmList() {
  const alarms = useResource<{ items: Alarm[] }>('/api/archive/alarms', about('problem'))
  const items = alarms.value?.items ?? []
  if (items.length === 0) return null
  return (
    <div className="alarms" role="status" data-testid="alarms">
      {items.map((alarm) => (
        <AlarmLine key={`${alarm.kind} ${alarm.subject}`} alarm={alarm} />
      ))}
    </div>
  )
}

function AlarmLine({ alarm }: { alarm: Alarm }) {
  const text = useText()
  const how = problemHowKey(alarm.kind)
  const name = problemKey(alarm.kind)
  const store = alarm.subject.startsWith('store/') ? alarm.subject.slice(6) : ''
  const place = PLACES[alarm.kind]
  return (
    <Alert
      type={GRAVE.includes(alarm.kind) ? 'error' : 'warning'}
      showIcon
      data-testid={`alarm-${alarm.kind}`}
      title={
        <>
          <b>
            {name ? text(name) : alarm.kind} {store}
          </b>{' '}
          <Figures alarm={alarm} />
        </>
      }
      description={
        <>
          {how && text(how)}{' '}
          <span className="quiet">
            {text('alarm.since')} <Moment at={alarm.raisedAt} />
          </span>
        </>
      }
      action={place && <Link to={place}>{text('alarm.see')}</Link>}
    />
  )
}

function Figures({ alarm }: { alarm: Alarm }) {
  const text = useText()
  const language = useLanguage()
  const { full_at, room, reserve, days, differences, last_at } = alarm.figures
  const said: string[] = []
  if (full_at !== undefined) said.push(text('alarm.fullAt', { day: dayWord(full_at, language) }))
  if (room !== undefined) said.push(text('alarm.room', { room: byteSize(room, language), reserve: byteSize(reserve ?? 0, language) }))
  if (differences !== undefined) said.push(text('alarm.differences', { count: differences, shown: count(differences, language) }))
  if (days !== undefined) said.push(text('alarm.within', { count: days }))
  if (days !== undefined) said.push(last_at === undefined ? text('alarm.never') : text('alarm.last', { day: dayWord(last_at, language) }))
  return <span className="tabular">{said.map((each) => `· ${each}`).join(' ')}</span>
}
