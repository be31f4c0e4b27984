/** What was asked about a study, and how far the answer is. */

import { Alert, Button } from 'antd'
import { useState } from 'react'
import { useAction } from '../api/action'
import { post } from '../api/client'
import type { Case } from '../api/types'
import { useText } from '../language'
import { ReasonDialog } from '../consults/reason-dialog'
import { usePerson, useSession } from '../session/session'
import { Deadline, Moment } from '../shown/moment'
import { CaseMark, UrgencyMark } from '../shown/states'
import { CaseFacts } from './case-facts'
import { FormWords } from './form-words'

const OPEN_STATES = ['requested', 'offered', 'claimed']

export function Cases({ cases, reload }: { cases: Case[]; reload: () => void }) {
  const text = useText()
  if (cases.length === 0) return null
  return (
    <section>
      <h2>{text('cases.title')}</h2>
      {cases.map((each) => (
        <CaseCard key={each.caseId} item={each} reload={reload} />
      ))}
    </section>
  )
}

function CaseCard({ item, reload }: { item: Case; reload: () => void }) {
  const text = useText()
  const { me } = useSession()
  const person = usePerson()
  const { busy, run } = useAction()
  const [asking, setAsking] = useState(false)
  const open = OPEN_STATES.includes(item.state)
  const mayCancel = open && !item.cancelling && item.clinic === me?.node.id && person.roles.includes('technician')
  const cancel = async (reason: string) => {
    setAsking(false)
    if (await run(() => post(`/api/consults/${item.caseId}/cancel`, { reason }))) reload()
  }
  return (
    <article className="card" data-testid={`case-${item.caseId}`}>
      <header>
        <b>{text(`kind.${item.kind}`)}</b>
        <UrgencyMark urgency={item.urgency} />
        <CaseMark state={item.state} cancelling={item.cancelling} />
        {open && <Deadline due={item.due} />}
        <span className="quiet">
          {item.poolName || item.pool} · {item.requestedBy} · <Moment at={item.requestedAt} />
        </span>
        {mayCancel && (
          <Button size="small" danger onClick={() => setAsking(true)} loading={busy} data-testid="cancel-request">
            {text('case.cancel')}
          </Button>
        )}
      </header>
      {item.amended && <Alert type="info" showIcon title={text('case.amended')} />}
      {item.claim && item.state === 'claimed' && (
        <p data-testid="case-claimed-by">{text('case.claimedBy', { name: item.claim.name })}</p>
      )}
      {item.state === 'declined' && item.reason && (
        <Alert type="warning" showIcon title={text('case.declinedBecause')} description={item.reason} />
      )}
      {item.form && <FormWords form={item.form} />}
      <CaseFacts facts={item.facts} />
      <ReasonDialog
        open={asking}
        title={text('case.cancelTitle')}
        explained={text('case.cancelHow')}
        confirm={text('case.cancel')}
        close={() => setAsking(false)}
        done={cancel}
      />
    </article>
  )
}
