/** A list that comes page by page: the first one kept fresh, further ones added as they are asked for. */

import { useState } from 'react'
import { get } from '../api/client'
import { useResource, type Resource } from '../api/resource'
import type { Page } from '../api/watch'

export interface Paged<T, P extends Page<T>> extends Resource<P> {
  items: T[]
  /** Null when all of it is there. */
  more: (() => void) | null
  busy: boolean
}

export function usePaged<T, P extends Page<T>>(path: string, keyOf: (item: T) => string): Paged<T, P> {
  const first = useResource<P>(path)
  const [further, setFurther] = useState<Page<T> | null>(null)
  const [busy, setBusy] = useState(false)
  const fresh = new Set(first.value?.items.map(keyOf))
  const items = [...(first.value?.items ?? []), ...(further?.items.filter((each) => !fresh.has(keyOf(each))) ?? [])]
  const next = further ? further.next : first.value?.next
  const ask = () => {
    setBusy(true)
    get<Page<T>>(`${path}?after=${encodeURIComponent(next ?? '')}`)
      .then((page) => setFurther({ items: [...(further?.items ?? []), ...page.items], next: page.next }))
      .catch(() => first.reload())
      .finally(() => setBusy(false))
  }
  return { ...first, items, more: next ? ask : null, busy }
}
