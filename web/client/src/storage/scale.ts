/** Where the lines of the chart of tiers run: a scale with round figures, and points on it. Pure. */

import type { Micros } from '../api/types'
import type { Outlook, Point } from '../api/watch'

export const DAY = 86_400_000_000
const STEPS = [1, 2, 2.5, 5, 10]
const TICKS = 5
/** A limit further away than this many times what there is would press all lines to the ground: it is named, not drawn. */
const DRAWN_WITHIN = 3

export interface Line {
  name: 'online' | 'archive'
  at: Micros
  bytes: number
  ahead: boolean
}

export interface Bound {
  name: 'limit' | 'reserve'
  bytes: number
  drawn: boolean
}

/** The points of a tier: what was measured, and what is ahead, which begins where that ends. */
export function lineOf(outlook: Outlook, name: Line['name']): { past: Line[]; ahead: Line[] } {
  const points = (from: Point[], ahead: boolean) =>
    from.flatMap((point) => {
      const bytes = name === 'online' ? point.onlineBytes : point.archiveBytes
      return bytes === null ? [] : [{ name, at: point.at, bytes, ahead }]
    })
  const past = points(outlook.history, false)
  const last = past.at(-1)
  const ahead = points(outlook.ahead, true).filter((point) => !last || point.at > last.at)
  return { past, ahead: last && ahead.length > 0 ? [last, ...ahead] : ahead }
}

/** How large the online tier may become, and where what is kept free begins: by its limit, or by its disk. */
export function boundsOf(outlook: Outlook): Bound[] {
  const online = outlook.places.find((each) => each.place === 'online')?.bytes ?? 0
  const limit = outlook.limitBytes || online + outlook.roomBytes
  const kept = outlook.limitBytes ? outlook.limitReserveBytes : outlook.reserveBytes
  const most = largest(outlook)
  const bound = (name: Bound['name'], bytes: number): Bound => ({ name, bytes, drawn: most > 0 && bytes <= most * DRAWN_WITHIN })
  return [bound('limit', limit), ...(kept > 0 ? [bound('reserve', Math.max(0, limit - kept))] : [])]
}

/** Round figures from nothing to above the largest that is drawn. */
export function ticksOf(outlook: Outlook): number[] {
  const bounds = boundsOf(outlook).filter((each) => each.drawn).map((each) => each.bytes)
  const top = Math.max(largest(outlook), ...bounds, 1)
  const rough = top / (TICKS - 1)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = (STEPS.find((each) => each * power >= rough) ?? 10) * power
  return Array.from({ length: Math.ceil(top / step) + 1 }, (_, n) => n * step)
}

/** The beginnings of months within a time, in the viewer's zone; `least` apart. */
export function monthsOf(from: Micros, to: Micros, least: number): Micros[] {
  const found: Micros[] = []
  const date = new Date(from / 1000)
  let next = new Date(date.getFullYear(), date.getMonth() + 1, 1)
  while (next.getTime() * 1000 < to) {
    const at = next.getTime() * 1000
    if (found.length === 0 || at - (found.at(-1) ?? 0) >= least) found.push(at)
    next = new Date(next.getFullYear(), next.getMonth() + 1, 1)
  }
  return found
}

/** The rows of the table beside the chart: each month that was measured, today, and months ahead. */
export function rowsOf(outlook: Outlook): Point[] {
  const past = outlook.history
  const last = past.at(-1)
  const earlier = [90, 60, 30].flatMap((days) => {
    const found = past.findLast((point) => point.at <= outlook.now - days * DAY + DAY / 2)
    return found && found.at >= outlook.now - (days + 5) * DAY ? [found] : []
  })
  const ahead = [7, 30, 60, 90, 120, 150, 180].flatMap((days) => {
    const at = outlook.now + days * DAY
    const found = outlook.ahead.findLast((point) => point.at <= at + DAY)
    return found && found.at >= at - 8 * DAY ? [found] : []
  })
  return distinct([...earlier, ...(last ? [last] : []), ...ahead])
}

function distinct(points: Point[]): Point[] {
  return points.filter((point, n) => points.findIndex((each) => each.at === point.at) === n)
}

/** The most that either tier held or will hold. */
export function largest(outlook: Outlook): number {
  const all = [...outlook.history, ...outlook.ahead].flatMap((point) => [point.onlineBytes ?? 0, point.archiveBytes ?? 0])
  return Math.max(0, ...all)
}
