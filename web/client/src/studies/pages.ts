/** A list that comes in pages: the first is kept fresh, more are added on demand. */

import { useCallback, useEffect, useState } from 'react'
import { ApiError, get } from '../api/client'
import type { Change } from '../api/live'
import { useResource } from '../api/resource'

interface Page<T> {
  items: T[]
  next: string | null
  total: number
}

interface Pages<T> {
  items: T[] | null
  total: number | null
  error: ApiError | null
  loading: boolean
  reload: () => void
  /** Read one page more; null at the end. */
  more: (() => void) | null
}

export function usePages<T>(path: string, keyOf: (item: T) => string, follow: (change: Change) => boolean): Pages<T> {
  const first = useResource<Page<T>>(path, follow)
  const [older, setOlder] = useState<Page<T> | null>(null)
  const [loading, setLoading] = useState(false)
  useEffect(() => setOlder(null), [path])

  const next = older ? older.next : (first.value?.next ?? null)
  const more = useCallback(() => {
    if (!next) return
    setLoading(true)
    get<Page<T>>(`${path}&before=${encodeURIComponent(next)}`)
      .then((page) => setOlder((before) => ({ ...page, items: [...(before?.items ?? []), ...page.items] })))
      .finally(() => setLoading(false))
      .catch(() => undefined)
  }, [path, next])

  const seen = new Set(first.value?.items.map(keyOf))
  const rest = older?.items.filter((item) => !seen.has(keyOf(item))) ?? []
  return {
    items: first.value ? [...first.value.items, ...rest] : null,
    total: first.value?.total ?? null,
    error: first.error,
    loading,
    reload: first.reload,
    more: next ? more : null,
  }
}
