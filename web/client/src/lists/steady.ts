/** Rows that stay where they are while somebody points at them. */

import { useRef, useState } from 'react'

interface Order {
  reset: string
  keys: string[]
}

/**
 * Put items into the order to show.
 *
 * Pure: while `held`, known rows keep their place (also ones that went away) and new ones wait.
 */
export function steadyOrder<T>(
  before: Order,
  items: T[],
  options: { keyOf: (item: T) => string; held: boolean; reset: string },
): Order {
  const { keyOf, held, reset } = options
  if (held && before.reset === reset && before.keys.length > 0) return before
  return { reset, keys: items.map(keyOf) }
}

interface Steady<T> {
  rows: T[]
  /** New rows that wait until the hand is off the list. */
  waiting: number
  /** Put on the list's frame. */
  frame: {
    onPointerEnter: () => void
    onPointerLeave: () => void
    onFocus: () => void
    onBlur: () => void
  }
  showAll: () => void
}

/** Hold the order of a live list while the pointer or the focus is on it; `reset` names what is listed. */
export function useSteady<T>(items: T[], keyOf: (item: T) => string, reset: string): Steady<T> {
  const [pointed, setPointed] = useState(false)
  const [focused, setFocused] = useState(false)
  const [, setAsked] = useState(0)
  const order = useRef<Order>({ reset: '', keys: [] })
  const known = useRef(new Map<string, T>())
  const force = useRef(false)

  const fresh = new Map(items.map((item) => [keyOf(item), item]))
  for (const [key, item] of fresh) known.current.set(key, item)
  const held = (pointed || focused) && !force.current
  force.current = false
  order.current = steadyOrder(order.current, items, { keyOf, held, reset })
  const { keys } = order.current
  const placed = new Set(keys)
  return {
    rows: keys.flatMap((key) => fresh.get(key) ?? known.current.get(key) ?? []),
    waiting: items.filter((item) => !placed.has(keyOf(item))).length,
    frame: {
      onPointerEnter: () => setPointed(true),
      onPointerLeave: () => setPointed(false),
      onFocus: () => setFocused(true),
      onBlur: () => setFocused(false),
    },
    showAll: () => {
      force.current = true
      setAsked((n) => n + 1)
    },
  }
}
