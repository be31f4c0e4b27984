/** A time as it is read: absolute and relative; a deadline that counts down. */

import type { Micros } from '../api/types'
import { useLanguage, useText } from '../language'
import { useNow } from './now'
import { clock, countdown, fullTime, relative } from './times'

interface MomentProps {
  at: Micros
  /** Leave the relative part out where the column is narrow. */
  short?: boolean
}

/** "14:32 · 8 min ago"; the full time with its zone when pointed at. */
export function Moment({ at, short = false }: MomentProps) {
  const language = useLanguage()
  const now = useNow(5)
  return (
    <time dateTime={new Date(at / 1000).toISOString()} title={fullTime(at, language)} className="moment">
      {clock(at, now, language)}
      {!short && <span className="quiet"> · {relative(at, now, language)}</span>}
    </time>
  )
}

interface DeadlineProps {
  due: Micros
  /** It no longer runs: only the time is shown. */
  over?: boolean
}

/** A deadline with the time left, red once it is past. */
export function Deadline({ due, over = false }: DeadlineProps) {
  const text = useText()
  const language = useLanguage()
  const now = useNow(1)
  if (over) return <Moment at={due} short />
  const left = due - now
  const late = left < 0
  return (
    <span className={late ? 'deadline late' : 'deadline'} title={fullTime(due, language)}>
      {text(late ? 'deadline.late' : 'deadline.left', { time: countdown(left) })}
    </span>
  )
}
