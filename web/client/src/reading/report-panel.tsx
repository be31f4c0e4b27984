/** The right half of the reading room: what was asked, whose turn it is, and the report. */

import { Alert, Button } from 'antd'
import { useState } from 'react'
import { Link } from 'react-router'
import { useAction } from '../api/action'
import { post, type ApiError } from '../api/client'
import { useResource } from '../api/resource'
import type { Case, Report } from '../api/types'
import { ReasonDialog } from '../consults/reason-dialog'
import { useLanguage, useText } from '../language'
import { useRole } from '../session/session'
import { now } from '../shown/now'
import { Deadline } from '../shown/moment'
import { CaseMark, UrgencyMark } from '../shown/states'
import { clock } from '../shown/times'
import { FormWords } from '../study/form-words'
import { ReportCard } from '../study/reports'
import { Editor } from './editor'
import { useRenewal } from './renewal'

interface ReportPanelProps {
  item: Case
  put: (item: Case) => void
  reload: () => void
}

export function ReportPanel({ item, put, reload }: ReportPanelProps) {
  const text = useText()
  const mine = item.claim?.mine === true && item.state === 'claimed'
  const lost = useRenewal(item, mine, put)
  return (
    <aside className="report-panel" aria-label={text('report.title')}>
      <div className="case-line">
        <b>{text(`kind.${item.kind}`)}</b>
        <UrgencyMark urgency={item.urgency} />
        <CaseMark state={item.state} cancelling={item.cancelling} />
        {(item.state === 'offered' || item.state === 'claimed') && <Deadline due={item.due} />}
      </div>
      {item.cancelling && <Alert type="warning" showIcon title={text('case.cancelAsked')} />}
      {item.amended && <Alert type="info" showIcon title={text('case.amended')} />}
      <details open>
        <summary>{text('case.question')}</summary>
        {item.form && <FormWords form={item.form} />}
      </details>
      {item.state === 'signed' && item.reportId ? (
        <Signed reportId={item.reportId} />
      ) : mine ? (
        <Editor item={item} put={put} reload={reload} />
      ) : (
        <NotMine item={item} put={put} lost={lost} reload={reload} />
      )}
    </aside>
  )
}

function Signed({ reportId }: { reportId: string }) {
  const text = useText()
  const report = useResource<Report>(`/api/reports/${reportId}`)
  return (
    <>
      <Alert type="success" showIcon title={text('report.done')} data-testid="signed" />
      {report.value && <ReportCard report={report.value} reload={report.reload} />}
      <Link to="/consults?box=queue" className="button" data-testid="next-case">
        {text('reading.next')}
      </Link>
    </>
  )
}

interface NotMineProps extends ReportPanelProps {
  /** It was mine until the claim lapsed. */
  lost: boolean
}

function NotMine({ item, put, lost, reload }: NotMineProps) {
  const text = useText()
  const language = useLanguage()
  const expert = useRole('expert')
  const { busy, run } = useAction()
  const [declining, setDeclining] = useState(false)
  const [taken, setTaken] = useState<{ by: string; until: number } | null>(
    item.claim && item.claim.until !== null && !item.claim.mine ? { by: item.claim.name, until: item.claim.until } : null,
  )
  const refused = (error: ApiError): boolean => {
    if (error.code !== 'claimed') return false
    setTaken({ by: String(error.details.by), until: Number(error.details.until) })
    return true
  }
  const claim = () => void run(async () => put(await post<Case>(`/api/consults/${item.caseId}/claim`)), refused)
  const decline = async (reason: string) => {
    setDeclining(false)
    if (await run(() => post(`/api/consults/${item.caseId}/decline`, { reason }))) reload()
  }
  const ended = item.state === 'declined' || item.state === 'cancelled'
  return (
    <div className="not-mine">
      {lost && <Alert type="error" showIcon title={text('claim.lost')} description={text('claim.lostHow')} data-testid="claim-lost" />}
      {taken && (
        <Alert
          type="warning"
          showIcon
          data-testid="claim-refused"
          title={text('claim.refused', { name: taken.by, until: clock(taken.until, now(), language) })}
          description={text('claim.refusedHow')}
        />
      )}
      {ended && item.reason && <Alert type="info" showIcon title={text(`case.${item.state}`)} description={item.reason} />}
      {expert && !ended && (
        <div className="buttons">
          <Button type="primary" size="large" onClick={claim} loading={busy} data-testid="claim">
            {text('claim.take')}
          </Button>
          <Button onClick={() => setDeclining(true)} disabled={busy} data-testid="decline">
            {text('claim.decline')}
          </Button>
        </div>
      )}
      <ReasonDialog
        open={declining}
        title={text('claim.declineTitle')}
        explained={text('claim.declineHow')}
        confirm={text('claim.decline')}
        close={() => setDeclining(false)}
        done={decline}
      />
    </div>
  )
}
