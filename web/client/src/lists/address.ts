/** Filters that live in the address, so that a list is a link. */

import { useCallback, useEffect, useRef, useState } from 'react'
import { useSearchParams } from 'react-router'

/** A filter of this name; an empty value leaves the address. Changing it adds no entry to the history. */
export function useAddressed(name: string): [string, (value: string) => void] {
  const [parameters, setParameters] = useSearchParams()
  const value = parameters.get(name) ?? ''
  const set = useCallback(
    (next: string) => {
      setParameters(
        (before) => {
          if (next) before.set(name, next)
          else before.delete(name)
          return before
        },
        { replace: true },
      )
    },
    [name, setParameters],
  )
  return [value, set]
}

const REST_MS = 200

interface Typed {
  /** What stands in the field: each key at once. */
  typed: string
  /** What the list is filtered by: what stands in the address, a moment later. */
  value: string
  type: (value: string) => void
}

/** A filter that is typed: the address follows when the keys rest, and leads when one goes back. */
export function useTyped(name: string): Typed {
  const [value, set] = useAddressed(name)
  const [typed, setTyped] = useState(value)
  const written = useRef(value)
  const timer = useRef(0)
  useEffect(() => {
    if (value === written.current) return
    written.current = value
    setTyped(value)
  }, [value])
  useEffect(() => () => window.clearTimeout(timer.current), [])
  const type = (next: string) => {
    setTyped(next)
    window.clearTimeout(timer.current)
    timer.current = window.setTimeout(() => {
      written.current = next
      set(next)
    }, REST_MS)
  }
  return { typed, value, type }
}
