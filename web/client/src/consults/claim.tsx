/** Take a case; who was faster is said with the time until which she has it. */

import { Alert } from 'antd'
import { useCallback, useState, type ReactNode } from 'react'
import { useNavigate } from 'react-router'
import { useAction } from '../api/action'
import { post, type ApiError } from '../api/client'
import type { Case, Micros } from '../api/types'
import { useLanguage, useText } from '../language'
import { now } from '../shown/now'
import { clock } from '../shown/times'

export interface Claim {
  busy: boolean
  take: (item: Case) => void
  /** What to show when another expert has it; null otherwise. */
  refused: ReactNode
}

export function useClaim(reload: () => void): Claim {
  const text = useText()
  const language = useLanguage()
  const navigate = useNavigate()
  const { busy, run } = useAction()
  const [taken, setTaken] = useState<{ by: string; until: Micros } | null>(null)

  const take = useCallback(
    (item: Case) => {
      const lost = (error: ApiError): boolean => {
        if (error.code !== 'claimed') return false
        setTaken({ by: String(error.details.by), until: Number(error.details.until) })
        reload()
        return true
      }
      setTaken(null)
      void run(() => post(`/api/consults/${item.caseId}/claim`), lost).then((won) => {
        if (won) void navigate(`/read/${item.caseId}`)
      })
    },
    [run, navigate, reload],
  )
  const refused = taken && (
    <Alert
      type="warning"
      showIcon
      closable={{ onClose: () => setTaken(null) }}
      data-testid="claim-refused"
      title={text('claim.refused', { name: taken.by, until: clock(taken.until, now(), language) })}
      description={text('claim.refusedHow')}
    />
  )
  return { busy, take, refused }
}
