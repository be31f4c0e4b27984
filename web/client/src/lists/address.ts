/** Filters that live in the address, so that a list is a link. */

import { useCallback, useEffect, useState } from 'react'
import { useSearchParams } from 'react-router'

/** A filter of this name; an empty value leaves the address. Typing adds no entries to the history. */
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

/** The value once it has rested for a moment. */
export function useSettled<T>(value: T, milliseconds: number): T {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(value), milliseconds)
    return () => window.clearTimeout(timer)
  }, [value, milliseconds])
  return settled
}
