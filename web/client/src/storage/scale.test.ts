import { describe, expect, test } from 'vitest'
import type { Outlook, Point } from '../api/watch'
import { boundsOf, DAY, lineOf, monthsOf, rowsOf, ticksOf } from './scale'

const NOW = Date.UTC(2026, 2, 2, 4) * 1000
const GB = 1e9

function point(days: number, online: number | null, archive: number | null = 0): Point {
  return { at: NOW + days * DAY, onlineBytes: online, archiveBytes: archive }
}

function outlook(changes: Partial<Outlook> = {}): Outlook {
  return {
    places: [{ place: 'online', studies: 1, bytes: 40 * GB, roomBytes: 60 * GB, at: NOW, month: null, quarter: null, fullAt: null }],
    history: [point(-1, 30 * GB), point(0, 40 * GB)],
    ahead: [point(1, 42 * GB), point(7, 50 * GB), point(14, 60 * GB)],
    madeAt: NOW,
    aheadStudies: 9,
    arrivingBytes: GB,
    limitBytes: 0,
    limitReserveBytes: 0,
    roomBytes: 60 * GB,
    reserveBytes: 2 * GB,
    sharesDisk: false,
    onlineFullAt: null,
    onlineFullBy: '',
    leavingStudies: 0,
    leavingBytes: 0,
    retention: [],
    over: 0,
    now: NOW,
    ...changes,
  }
}

describe('lines', () => {
  test('what is ahead begins where what was measured ends', () => {
    const { past, ahead } = lineOf(outlook(), 'online')
    expect(past.map((each) => each.bytes / GB)).toEqual([30, 40])
    expect(ahead.map((each) => each.bytes / GB)).toEqual([40, 42, 50, 60])
  })

  test('a day that was not looked at is no zero', () => {
    expect(lineOf(outlook({ history: [point(-1, null, 3), point(0, 5, null)] }), 'online').past).toHaveLength(1)
  })

  test('there is no line ahead without a forecast', () => {
    expect(lineOf(outlook({ ahead: [] }), 'online').ahead).toEqual([])
  })
})

describe('bounds', () => {
  test('a limit counts before the disk', () => {
    const bounds = boundsOf(outlook({ limitBytes: 80 * GB, limitReserveBytes: 10 * GB }))
    expect(bounds).toEqual([
      { name: 'limit', bytes: 80 * GB, drawn: true },
      { name: 'reserve', bytes: 70 * GB, drawn: true },
    ])
  })

  test('without a limit the disk is one', () => {
    expect(boundsOf(outlook()).map((each) => each.bytes / GB)).toEqual([100, 98])
  })

  test('a disk that is far from full is named and not drawn', () => {
    expect(boundsOf(outlook({ roomBytes: 900 * GB })).map((each) => each.drawn)).toEqual([false, false])
  })
})

test('ticks are round and reach above all that is drawn', () => {
  expect(ticksOf(outlook()).map((each) => each / GB)).toEqual([0, 25, 50, 75, 100])
  expect(ticksOf(outlook({ roomBytes: 900 * GB })).at(-1)).toBeGreaterThanOrEqual(60 * GB)
  expect(ticksOf(outlook({ history: [], ahead: [], places: [] })).length).toBeGreaterThan(1)
})

test('months begin at their first day, and no closer than asked', () => {
  const all = monthsOf(NOW, NOW + 100 * DAY, 0)
  expect(all.map((at) => new Date(at / 1000).getDate())).toEqual([1, 1, 1])
  expect(monthsOf(NOW, NOW + 100 * DAY, 40 * DAY)).toHaveLength(2)
})

test('the table has today and months, each once', () => {
  const ahead = [1, 7, 14, 21, 28, 35, 42, 49, 56, 63].map((days) => point(days, days * GB))
  const rows = rowsOf(outlook({ history: [point(-30, 1), point(-1, 2), point(0, 3)], ahead }))
  expect(rows.map((each) => Math.round((each.at - NOW) / DAY))).toEqual([-30, 0, 7, 28, 56])
  expect(rowsOf(outlook({ history: [], ahead: [] }))).toEqual([])
})
