/** Who is signed in; every page below reads it here. */

import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from 'react'
import { ApiError, ask, get, keepIdentity, onRefusal } from '../api/client'
import { startLive, stopLive } from '../api/live'
import type { Me, Person, Role } from '../api/types'
import { setNodeClock } from '../shown/now'

interface Session {
  /** Null until the node has answered once. */
  me: Me | null
  error: ApiError | null
  again: () => void
  take: (me: Me) => void
  end: () => Promise<void>
}

const Context = createContext<Session | null>(null)

export function SessionProvider({ children }: { children: ReactNode }) {
  const [me, setMe] = useState<Me | null>(null)
  const [error, setError] = useState<ApiError | null>(null)

  const take = useCallback((next: Me) => {
    keepIdentity(next)
    setNodeClock(next.now)
    setMe(next)
    setError(null)
  }, [])
  const again = useCallback(() => {
    get<Me>('/api/me').then(take, (cause: unknown) => setError(cause instanceof ApiError ? cause : null))
  }, [take])
  const end = useCallback(async () => {
    await ask('DELETE', '/api/session')
    again()
  }, [again])

  useEffect(again, [again])
  // An ended session or a password that must change shows in /api/me; the pages follow from that.
  useEffect(
    () =>
      onRefusal((refusal) => {
        if (refusal.code === 'must-change' || refusal.status === 401) again()
      }),
    [again],
  )
  const usable = me?.person != null && !me.person.mustChange
  useEffect(() => {
    if (usable) startLive()
    return stopLive
  }, [usable])

  const session = useMemo(() => ({ me, error, again, take, end }), [me, error, again, take, end])
  return <Context value={session}>{children}</Context>
}

export function useSession(): Session {
  const session = useContext(Context)
  if (!session) throw new Error('A page stands outside the session provider.')
  return session
}

/** The person signed in; only for pages that the guard has let through. */
export function usePerson(): Person {
  const { me } = useSession()
  if (!me?.person) throw new Error('A page for people signed in stands outside the guard.')
  return me.person
}

export function useRole(role: Role): boolean {
  return usePerson().roles.includes(role)
}
