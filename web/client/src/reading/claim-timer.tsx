/** How long the claim holds without a renewal. */

import type { Case } from '../api/types'
import { useText } from '../language'
import { useNow } from '../shown/now'
import { countdown } from '../shown/times'

export function ClaimTimer({ claim }: { claim: Case['claim'] }) {
  const text = useText()
  const now = useNow(1)
  if (!claim || claim.until === null) return null
  const left = claim.until - now
  return (
    <span className={left < 120_000_000 ? 'deadline late tabular' : 'quiet tabular'} data-testid="claim-timer">
      {left > 0 ? text('claim.holds', { time: countdown(left) }) : text('claim.over')}
    </span>
  )
}
