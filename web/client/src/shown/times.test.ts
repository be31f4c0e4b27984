import { expect, test } from 'vitest'
import { clock, countdown, dicomDate, dicomTime, duration, fullTime, relative } from './times'

const SECOND = 1_000_000
/** 2026-01-15 14:32:05 in Shanghai. */
const AT = Date.UTC(2026, 0, 15, 6, 32, 5) * 1000
const ZONE = 'Asia/Shanghai'

test('today is an hour, another day has its date, another year its year', () => {
  expect(clock(AT, AT + 60 * SECOND, 'zh', ZONE)).toBe('14:32')
  expect(clock(AT, AT + 86_400 * SECOND, 'zh', ZONE)).toBe('01/15 14:32')
  expect(clock(AT, AT + 400 * 86_400 * SECOND, 'zh', ZONE)).toBe('2026/01/15 14:32')
})

test('a full time names its zone', () => {
  expect(fullTime(AT, 'en', ZONE)).toContain('14:32:05')
  expect(fullTime(AT, 'en', ZONE)).toMatch(/GMT\+8|CST/)
})

test('how long ago is said in the reader’s language', () => {
  expect(relative(AT, AT + 8 * 60 * SECOND, 'zh')).toBe('8分钟前')
  expect(relative(AT, AT + 8 * 60 * SECOND, 'en')).toMatch(/^8 min\.? ago$/)
  expect(relative(AT + 120 * SECOND, AT, 'en')).toMatch(/^in 2 min/)
})

test('a duration has one unit', () => {
  expect(duration(40 * SECOND, 'en')).toMatch(/^40 sec/)
  expect(duration(12 * 60 * SECOND, 'zh')).toBe('12分钟')
})

test('a countdown has hours only when there are some', () => {
  expect(countdown(83 * 60 * SECOND + 45 * SECOND)).toBe('1:23:45')
  expect(countdown(23 * 60 * SECOND + 5 * SECOND)).toBe('23:05')
  expect(countdown(-5 * SECOND)).toBe('00:05')
})

test('dates and times of DICOM are shown as written, never converted', () => {
  expect(dicomDate('20260115')).toBe('2026-01-15')
  expect(dicomDate('1999.07.24')).toBe('1999-07-24')
  expect(dicomDate('?')).toBe('?')
  expect(dicomTime('143205.123')).toBe('14:32')
  expect(dicomTime('')).toBe('')
})
