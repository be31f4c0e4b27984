/** The signed answers: their text, their paper, and where they were sent. */

import { Alert, Button } from 'antd'
import { useAction } from '../api/action'
import { post } from '../api/client'
import type { Delivery, Report } from '../api/types'
import { useText } from '../language'
import { usePerson } from '../session/session'
import { Moment } from '../shown/moment'
import { DeliveryMark } from '../shown/states'

export function Reports({ reports, reload }: { reports: Report[]; reload: () => void }) {
  const text = useText()
  if (reports.length === 0) return null
  return (
    <section>
      <h2>{text('reports.title')}</h2>
      {reports.map((report) => (
        <ReportCard key={report.reportId} report={report} reload={reload} />
      ))}
    </section>
  )
}

export function ReportCard({ report, reload }: { report: Report; reload: () => void }) {
  const text = useText()
  return (
    <article className="card report" data-testid={`report-${report.reportId}`}>
      <header>
        <b>{text('report.signedBy', { name: report.signerName })}</b>
        <Moment at={report.signedAt} />
        {report.reviewerName && <span>{text('report.reviewedBy', { name: report.reviewerName })}</span>}
        {report.documents === 'made' ? (
          <a
            className="button next"
            href={`/api/reports/${report.reportId}/pdf`}
            target="_blank"
            rel="noopener"
            data-testid="report-pdf"
          >
            {text('report.pdf')}
          </a>
        ) : (
          <span className="quiet">{text('report.pdfWaiting')}</span>
        )}
      </header>
      {report.lateCancel && <Alert type="warning" showIcon title={text('report.lateCancel')} data-testid="report-late" />}
      <h3>{text('report.findings')}</h3>
      <p className="prose" data-testid="report-findings">
        {report.findings}
      </p>
      <h3>{text('report.impression')}</h3>
      <p className="prose strong" data-testid="report-impression">
        {report.impression}
      </p>
      {report.deliveries.length > 0 && (
        <ul className="deliveries">
          {report.deliveries.map((delivery) => (
            <DeliveryLine key={delivery.id} delivery={delivery} reload={reload} />
          ))}
        </ul>
      )}
    </article>
  )
}

function DeliveryLine({ delivery, reload }: { delivery: Delivery; reload: () => void }) {
  const text = useText()
  return (
    <li data-testid={`delivery-${delivery.id}`}>
      <DeliveryMark state={delivery.state} />
      <span>{text('delivery.to', { kind: delivery.kind.toUpperCase(), name: delivery.destinationName })}</span>
      {delivery.deliveredAt && <Moment at={delivery.deliveredAt} />}
      {delivery.lastError && <span className="quiet">{delivery.lastError}</span>}
      <Retry delivery={delivery} reload={reload} />
    </li>
  )
}

/** Try a delivery again that is stuck or waits for its time. */
export function Retry({ delivery, reload }: { delivery: Delivery; reload: () => void }) {
  const text = useText()
  const person = usePerson()
  const { busy, run } = useAction()
  const may = person.roles.includes('administrator') || person.roles.includes('technician')
  if (!may || delivery.state === 'delivered') return null
  const retry = async () => {
    if (await run(() => post(`/api/deliveries/${delivery.id}/retry`))) reload()
  }
  return (
    <Button size="small" onClick={() => void retry()} loading={busy} data-testid="delivery-retry">
      {text('delivery.retry')}
    </Button>
  )
}
