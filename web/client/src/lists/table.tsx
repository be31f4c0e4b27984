/** A dense table of things with a page of their own: pointer, keyboard, phone. */

import { useRef, type ReactNode } from 'react'
import { useNavigate } from 'react-router'
import { useText } from '../language'
import { useKeys, type Binding } from '../shell/keys'
import { useSteady } from './steady'

export interface Column<T> {
  key: string
  title: string
  show: (row: T) => ReactNode
  /** `wide`: left out on a phone; `number`: tabular, right-aligned. */
  className?: string
}

interface TableProps<T> {
  label: string
  columns: Column<T>[]
  items: T[]
  keyOf: (row: T) => string
  /** Names the filter: another name is another list. */
  reset: string
  /** The page of a row; null when it has none. */
  pageOf: (row: T) => string | null
  testIdOf: (row: T) => string
  toneOf?: (row: T) => string
  /** Keys that act on the row with the focus, the first one without. */
  keysOf?: (row: T) => Binding[]
  empty: ReactNode
}

export function Table<T>({ label, columns, items, keyOf, reset, pageOf, testIdOf, toneOf, keysOf, empty }: TableProps<T>) {
  const text = useText()
  const navigate = useNavigate()
  const body = useRef<HTMLTableSectionElement>(null)
  const { rows, waiting, frame, showAll } = useSteady(items, keyOf, reset)
  const lines = () => [...(body.current?.children ?? [])] as HTMLElement[]
  const focused = () => lines().findIndex((line) => line.contains(document.activeElement))
  const move = (step: number) => {
    const at = focused()
    lines()[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + step))]?.focus()
  }
  const first = rows[0]
  const own = first && keysOf ? keysOf(first) : []
  const actOn = (key: string) => {
    const row = rows[Math.max(0, focused())]
    if (row) keysOf?.(row).find((each) => each.key === key)?.act()
  }
  useKeys([
    { key: 'j', label: 'keys.down', act: () => move(1) },
    { key: 'k', label: 'keys.up', act: () => move(-1) },
    ...own.map((each) => ({ ...each, act: () => actOn(each.key) })),
  ])
  const open = (row: T) => {
    const page = pageOf(row)
    if (page) void navigate(page)
  }
  if (rows.length === 0) return <div className="empty">{empty}</div>
  return (
    <div className="list" {...frame}>
      <button
        type="button"
        className={waiting > 0 ? 'news' : 'news none'}
        onClick={showAll}
        disabled={waiting === 0}
        data-testid="list-news"
      >
        {waiting > 0 && text('list.news', { count: waiting })}
      </button>
      <table className="lines" aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.key} scope="col" className={column.className}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((row) => (
            <tr
              key={keyOf(row)}
              tabIndex={0}
              className={toneOf?.(row)}
              data-testid={testIdOf(row)}
              onClick={(event) => {
                if (!isOwnControl(event.target) && !window.getSelection()?.toString()) open(row)
              }}
              onKeyDown={(event) => {
                if (event.key === 'Enter' && event.target === event.currentTarget) open(row)
              }}
            >
              {columns.map((column) => (
                <td key={column.key} className={column.className}>
                  {column.show(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** A button or link inside a row acts for itself. */
function isOwnControl(target: EventTarget): boolean {
  return target instanceof Element && target.closest('a, button, input') !== null
}
