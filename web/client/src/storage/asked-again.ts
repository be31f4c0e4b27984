/** What changes by itself, asked for again while a page shows it. */

import { useEffect } from 'react'

const OPEN_MS = 1000
const QUIET_MS = 10_000

/** Ask again each second while something is on its way, and now and then otherwise: the feed tells only whoever sees the study. */
export function useAskedAgain(reload: () => void, isOpen: boolean): void {
  useEffect(() => {
    const timer = window.setInterval(reload, isOpen ? OPEN_MS : QUIET_MS)
    return () => window.clearInterval(timer)
  }, [reload, isOpen])
}
