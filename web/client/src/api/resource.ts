/** What an address says now, asked again when the live feed names it. */

import { useCallback, useEffect, useRef, useState } from 'react'
import { ApiError, get } from './client'
import { onChange, type Change } from './live'

export interface Resource<T> {
  value: T | null
  /** The last try failed; `value` is what was known before. */
  error: ApiError | null
  loading: boolean
  reload: () => void
  /** Show this until the node is asked again: the answer of a change just made. */
  put: (value: T) => void
}

/** Changes that come in a burst (a study arriving) are asked about once. */
const TOGETHER_MS = 250

interface Held<T> {
  path: string | null
  value: T | null
  error: ApiError | null
  loading: boolean
}

/**
 * Read `path`, keep it fresh; null reads nothing.
 *
 * A newer question wins over an older answer, and the old value stays until the new one is there.
 */
export function useResource<T>(path: string | null, follow?: (change: Change) => boolean): Resource<T> {
  const [held, setHeld] = useState<Held<T>>({ path: null, value: null, error: null, loading: path !== null })
  const [asked, setAsked] = useState(0)
  const followed = useRef(follow)
  followed.current = follow
  const reload = useCallback(() => setAsked((n) => n + 1), [])
  const put = useCallback((value: T) => setHeld((was) => ({ ...was, value, error: null })), [])

  useEffect(() => {
    if (path === null) return
    const abort = new AbortController()
    setHeld((was) => ({ ...was, loading: true }))
    get<T>(path, abort.signal).then(
      (value) => setHeld({ path, value, error: null, loading: false }),
      (error: unknown) => {
        if (abort.signal.aborted) return
        const known = error instanceof ApiError ? error : new ApiError(0, 'no-words', String(error))
        setHeld((was) => ({ ...was, error: known, loading: false }))
      },
    )
    return () => abort.abort()
  }, [path, asked])

  useEffect(() => {
    let timer = 0
    const stop = onChange((change) => {
      const concerned = change.everything || (followed.current?.(change) ?? false)
      if (!concerned || timer) return
      timer = window.setTimeout(() => {
        timer = 0
        reload()
      }, TOGETHER_MS)
    })
    return () => {
      stop()
      window.clearTimeout(timer)
    }
  }, [reload])

  return { value: held.value, error: held.error, loading: held.loading, reload, put }
}

/** Follow subjects of these kinds: `study`, `case`, `report`, ... */
export function about(...kinds: string[]): (change: Change) => boolean {
  return (change) => change.subjects.some((subject) => kinds.includes(subject.split('/', 1)[0] ?? ''))
}
