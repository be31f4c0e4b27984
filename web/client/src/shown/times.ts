/** Times and durations in words. Pure: what is now comes as an argument. */

import type { Micros } from '../api/types'
import { TAGS, type Language } from '../language'

const SECOND = 1_000_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Say when, in the viewer's zone: the hour alone today, with the date otherwise. */
export function clock(at: Micros, now: Micros, language: Language, zone?: string): string {
  const day = (t: Micros) => new Intl.DateTimeFormat('en-CA', { ...zoned(zone), dateStyle: 'short' }).format(t / 1000)
  const today = day(at) === day(now)
  return new Intl.DateTimeFormat(TAGS[language], {
    ...zoned(zone),
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    ...(today ? {} : { month: '2-digit', day: '2-digit' }),
    ...(day(at).slice(0, 4) === day(now).slice(0, 4) ? {} : { year: 'numeric' }),
  }).format(at / 1000)
}

/** Say when to the second, with date and zone. */
export function fullTime(at: Micros, language: Language, zone?: string): string {
  return new Intl.DateTimeFormat(TAGS[language], {
    ...zoned(zone),
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'short',
  }).format(at / 1000)
}

/** Say which day, with its year: for what is months or years away. */
export function dayWord(at: Micros, language: Language, zone?: string): string {
  return new Intl.DateTimeFormat(TAGS[language], { ...zoned(zone), dateStyle: 'medium' }).format(at / 1000)
}

/** Say how long ago, or how long until. */
export function relative(at: Micros, now: Micros, language: Language): string {
  const format = new Intl.RelativeTimeFormat(TAGS[language], { numeric: 'auto', style: 'short' })
  const apart = at - now
  const size = Math.abs(apart)
  if (size < 5 * SECOND) return format.format(0, 'second')
  if (size < MINUTE) return format.format(Math.round(apart / SECOND), 'second')
  if (size < HOUR) return format.format(Math.round(apart / MINUTE), 'minute')
  if (size < DAY) return format.format(Math.round(apart / HOUR), 'hour')
  return format.format(Math.round(apart / DAY), 'day')
}

/** Say a length of time in its largest unit: `40 s`, `12 min`. */
export function duration(micros: number, language: Language): string {
  const size = Math.max(0, micros)
  const [value, unit] =
    size < MINUTE
      ? [Math.round(size / SECOND), 'second']
      : size < HOUR
        ? [Math.round(size / MINUTE), 'minute']
        : size < DAY
          ? [Math.round(size / HOUR), 'hour']
          : [Math.round(size / DAY), 'day']
  return new Intl.NumberFormat(TAGS[language], { style: 'unit', unit, unitDisplay: 'short' }).format(value)
}

/** A deadline as a clock that runs down: `1:23:45`, below an hour `23:45`; without sign. */
export function countdown(micros: number): string {
  const total = Math.floor(Math.abs(micros) / SECOND)
  const two = (n: number) => String(n).padStart(2, '0')
  const hours = Math.floor(total / 3600)
  const rest = `${two(Math.floor((total % 3600) / 60))}:${two(total % 60)}`
  return hours > 0 ? `${hours}:${rest}` : rest
}

/** A DICOM date as its hospital wrote it: local, never converted. Source: DICOM PS3.5 6.2 (DA). */
export function dicomDate(written: string): string {
  const digits = written.replaceAll('.', '')
  return /^\d{8}$/.test(digits) ? `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}` : written
}

/** A DICOM time to the minute, as written. Source: DICOM PS3.5 6.2 (TM). */
export function dicomTime(written: string): string {
  const digits = written.replaceAll(':', '')
  return /^\d{4}/.test(digits) ? `${digits.slice(0, 2)}:${digits.slice(2, 4)}` : ''
}

function zoned(zone: string | undefined): { timeZone?: string } {
  return zone ? { timeZone: zone } : {}
}
