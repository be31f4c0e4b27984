/** The marks of studies, cases, reports, deliveries and links. */

import type { CaseState, Delivery, Study } from '../api/types'
import type { Key } from '../catalogue'
import { useText } from '../language'
import { Mark, type Shape, type Tone } from './mark'

type Look = [Key, Shape, Tone]

const STUDY: Record<string, Look> = {
  announced: ['study.announced', 'ring', 'quiet'],
  receiving: ['study.receiving', 'half', 'busy'],
  complete: ['study.complete', 'disc', 'good'],
}

const CASE: Record<CaseState, Look> = {
  requested: ['case.requested', 'ring', 'busy'],
  offered: ['case.offered', 'half', 'busy'],
  claimed: ['case.claimed', 'diamond', 'busy'],
  signed: ['case.signed', 'disc', 'good'],
  declined: ['case.declined', 'cross', 'warn'],
  cancelled: ['case.cancelled', 'cross', 'quiet'],
}

const DELIVERY: Record<Delivery['state'], Look> = {
  waiting: ['delivery.waiting', 'ring', 'busy'],
  delivered: ['delivery.delivered', 'disc', 'good'],
  failing: ['delivery.failing', 'triangle', 'bad'],
  'given-up': ['delivery.givenUp', 'cross', 'bad'],
}

function Look({ look, testId }: { look: Look; testId: string }) {
  const text = useText()
  const [key, shape, tone] = look
  return (
    <Mark shape={shape} tone={tone} testId={testId}>
      {text(key)}
    </Mark>
  )
}

export function StudyMark({ study }: { study: Pick<Study, 'state' | 'conflict'> }) {
  const conflict: Look | null =
    study.conflict >= 2
      ? ['study.patientConflict', 'triangle', 'bad']
      : study.conflict === 1
        ? ['study.conflict', 'triangle', 'warn']
        : null
  return <Look look={conflict ?? STUDY[study.state] ?? ['study.announced', 'ring', 'quiet']} testId="study-state" />
}

/** That not all corrections of a study are known; nothing where they are. */
export function CorrectionsMark({ study }: { study: Pick<Study, 'correctionsUntil'> }) {
  const text = useText()
  if (study.correctionsUntil === null) return null
  return (
    <Mark shape="diamond" tone="warn" title={text('study.correctionsUnknownHow')} testId="corrections-unknown">
      {text('study.correctionsUnknown')}
    </Mark>
  )
}

export function CaseMark({ state, cancelling = false }: { state: CaseState; cancelling?: boolean }) {
  return <Look look={cancelling ? ['case.cancelling', 'half', 'warn'] : CASE[state]} testId="case-state" />
}

export function DeliveryMark({ state }: { state: Delivery['state'] }) {
  return <Look look={DELIVERY[state]} testId="delivery-state" />
}

export function UrgencyMark({ urgency }: { urgency: string }) {
  return <Look look={urgency === 'emergency' ? ['urgency.emergency', 'square', 'bad'] : ['urgency.routine', 'ring', 'quiet']} testId="case-urgency" />
}
