/** The draft of a case, kept while its editor is open. */

import { useEffect, useRef, useState } from 'react'
import { get, put } from '../api/client'
import type { Draft, Micros } from '../api/types'
import { DraftKeeper, type DraftState, type Kept } from './draft-keeper'

/** Answers null until the draft was read; nothing is read while `open` is false. */
export function useDraft(caseId: string, open: boolean): { keeper: DraftKeeper; state: DraftState } | null {
  const keeper = useRef<DraftKeeper | null>(null)
  const [state, setState] = useState<DraftState | null>(null)
  useEffect(() => {
    if (!open) return
    const address = `/api/consults/${caseId}/draft`
    const name = `meridian.draft.${caseId}`
    const made = new DraftKeeper(
      {
        load: () => get<Draft>(address),
        save: (draft) => put<{ version: number; at: Micros }>(address, draft),
        kept: {
          read: () => parsed(localStorage.getItem(name)),
          write: (kept) => localStorage.setItem(name, JSON.stringify(kept)),
          clear: () => localStorage.removeItem(name),
        },
        later: (act, ms) => {
          const timer = window.setTimeout(act, ms)
          return () => window.clearTimeout(timer)
        },
      },
      setState,
    )
    keeper.current = made
    const read = () => {
      made.open().catch(() => {
        again = window.setTimeout(read, 3000)
      })
    }
    let again = 0
    read()
    return () => {
      window.clearTimeout(again)
      made.leave()
      keeper.current = null
      setState(null)
    }
  }, [caseId, open])
  return keeper.current && state && state.status !== 'loading' ? { keeper: keeper.current, state } : null
}

function parsed(kept: string | null): Kept | null {
  return kept === null ? null : (JSON.parse(kept) as Kept)
}
