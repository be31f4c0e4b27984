/**
 * Both tiers over time: what was measured as lines, what is ahead as dashes, and where the online tier has to stay below.
 *
 * Drawn here and not by a chart library: two lines cost no quarter of a megabyte of script on a page that is looked at once a day.
 */

import { useLayoutEffect, useRef, useState } from 'react'
import type { Outlook } from '../api/watch'
import { TAGS, useLanguage, useText, type Language } from '../language'
import { byteSize } from '../shown/size'
import { dayWord } from '../shown/times'
import { boundsOf, DAY, lineOf, monthsOf, ticksOf, type Line } from './scale'

const HEIGHT = 260
const LEFT = 64
const RIGHT = 12
const TOP = 10
const BOTTOM = 24
const MONTH_PX = 56
const NAMES = ['online', 'archive'] as const

interface Frame {
  width: number
  x: (at: number) => number
  y: (bytes: number) => number
}

export function Chart({ outlook }: { outlook: Outlook }) {
  const text = useText()
  const language = useLanguage()
  const { ref, width } = useWidth()
  const lines = NAMES.map((name) => lineOf(outlook, name))
  const times = lines.flatMap(({ past, ahead }) => [...past, ...ahead].map((each) => each.at))
  const from = Math.min(...times)
  const to = Math.max(...times, from + DAY)
  const ticks = ticksOf(outlook)
  const top = ticks.at(-1) ?? 1
  const frame: Frame = {
    width,
    x: (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT - RIGHT),
    y: (bytes) => TOP + (1 - bytes / top) * (HEIGHT - TOP - BOTTOM),
  }
  const bounds = boundsOf(outlook)
  return (
    <figure className="chart" ref={ref} data-testid="chart">
      <svg
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={text('forecast.chart', { from: dayWord(from, language), to: dayWord(to, language) })}
      >
        <Grid frame={frame} ticks={ticks} from={from} to={to} language={language} />
        <Today frame={frame} at={outlook.now} word={text('forecast.today')} />
        {bounds
          .filter((bound) => bound.drawn)
          .map((bound) => (
            <line
              key={bound.name}
              className={bound.name}
              data-testid={`chart-${bound.name}`}
              x1={LEFT}
              x2={width - RIGHT}
              y1={frame.y(bound.bytes)}
              y2={frame.y(bound.bytes)}
            />
          ))}
        {lines.map(({ past, ahead }, n) => (
          <g key={NAMES[n]} className={NAMES[n]} data-testid={`chart-${NAMES[n]}`}>
            <polyline points={pointsOf(past, frame)} />
            <polyline className="ahead" points={pointsOf(ahead, frame)} />
            {past.length === 1 && past[0] && <circle cx={frame.x(past[0].at)} cy={frame.y(past[0].bytes)} r="3" />}
          </g>
        ))}
      </svg>
      <figcaption>
        {NAMES.map((name) => (
          <span key={name} className={name}>
            <Swatch /> {text(`storage.${name}`)}
          </span>
        ))}
        <span className="quiet">
          <Swatch dashed /> {text('forecast.dashed')}
        </span>
        {bounds.map(({ name, bytes, drawn }) => (
          <span key={name} className={name} data-testid={`bound-${name}`}>
            <Swatch /> {text(`forecast.${name}.${outlook.limitBytes ? 'set' : 'disk'}`, { size: byteSize(bytes, language) })}
            {!drawn && ` ${text('forecast.above')}`}
          </span>
        ))}
      </figcaption>
    </figure>
  )
}

function Grid({ frame, ticks, from, to, language }: { frame: Frame; ticks: number[]; from: number; to: number; language: Language }) {
  const month = new Intl.DateTimeFormat(TAGS[language], { month: 'short' })
  const least = (MONTH_PX / Math.max(1, frame.width - LEFT - RIGHT)) * (to - from)
  return (
    <g className="grid" aria-hidden="true">
      {ticks.map((bytes) => (
        <g key={bytes}>
          <line x1={LEFT} x2={frame.width - RIGHT} y1={frame.y(bytes)} y2={frame.y(bytes)} />
          <text x={LEFT - 6} y={frame.y(bytes) + 4} textAnchor="end">
            {byteSize(bytes, language)}
          </text>
        </g>
      ))}
      {monthsOf(from, to, least)
        .filter((at) => frame.x(at) < frame.width - RIGHT - 20)
        .map((at) => (
          <g key={at}>
            <line x1={frame.x(at)} x2={frame.x(at)} y1={HEIGHT - BOTTOM} y2={HEIGHT - BOTTOM + 4} />
            <text x={frame.x(at)} y={HEIGHT - 6} textAnchor="middle">
              {month.format(at / 1000)}
            </text>
          </g>
        ))}
    </g>
  )
}

function Today({ frame, at, word }: { frame: Frame; at: number; word: string }) {
  const x = frame.x(at)
  return (
    <g className="today" aria-hidden="true">
      <line x1={x} x2={x} y1={TOP} y2={HEIGHT - BOTTOM} />
      <text x={x + 4} y={HEIGHT - BOTTOM - 6}>
        {word}
      </text>
    </g>
  )
}

function Swatch({ dashed = false }: { dashed?: boolean }) {
  return (
    <svg width="22" height="8" aria-hidden="true">
      <line x1="0" x2="22" y1="4" y2="4" stroke="currentColor" strokeWidth="2" strokeDasharray={dashed ? '5 4' : undefined} />
    </svg>
  )
}

function pointsOf(line: Line[], frame: Frame): string {
  return line.map((each) => `${frame.x(each.at).toFixed(1)},${frame.y(each.bytes).toFixed(1)}`).join(' ')
}

/** How wide there is room, anew when that changes: text in a picture that is scaled would be too small on a phone. */
function useWidth() {
  const ref = useRef<HTMLElement>(null)
  const [width, setWidth] = useState(320)
  useLayoutEffect(() => {
    const box = ref.current
    if (!box) return
    const observer = new ResizeObserver(() => setWidth(Math.max(240, box.clientWidth)))
    observer.observe(box)
    setWidth(Math.max(240, box.clientWidth))
    return () => observer.disconnect()
  }, [])
  return { ref, width }
}
