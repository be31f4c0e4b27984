/** Keep a claim while its page is open. */

import { useEffect, useRef, useState } from 'react'
import { ApiError, post } from '../api/client'
import type { Case } from '../api/types'

const EVERY_MS = 60_000

/** Renew each minute; answers whether a claim that was ours here is lost. */
export function useRenewal(item: Case, mine: boolean, put: (item: Case) => void): boolean {
  const held = useRef(false)
  const [refused, setRefused] = useState(false)
  const took = useRef(put)
  took.current = put
  if (mine) held.current = true

  useEffect(() => {
    if (!mine) return
    setRefused(false)
    const renew = () => {
      post<Case>(`/api/consults/${item.caseId}/renew`).then(
        (renewed) => took.current(renewed),
        (error: unknown) => {
          // Without an answer nothing is lost yet: the lease runs on, and the next minute tries again.
          if (error instanceof ApiError && error.status === 409) setRefused(true)
        },
      )
    }
    const timer = window.setInterval(renew, EVERY_MS)
    // A machine that slept renews as soon as somebody looks.
    const woken = () => {
      if (!document.hidden) renew()
    }
    document.addEventListener('visibilitychange', woken)
    return () => {
      window.clearInterval(timer)
      document.removeEventListener('visibilitychange', woken)
    }
  }, [item.caseId, mine])

  const open = item.state === 'claimed' || item.state === 'offered'
  return open && (refused || (held.current && !mine))
}
