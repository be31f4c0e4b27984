/** Corrections: what waits for somebody, and what was corrected. */

import { Link } from 'react-router'
import { about, useResource } from '../api/resource'
import { useText } from '../language'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { History } from './history'
import { Studies } from './studies'
import type { Corrections } from './types'
import { UnsettledStudies } from './unsettled'

export default function CorrectionsPage() {
  const text = useText()
  const page = useResource<Corrections>('/api/corrections', about('study', 'patients'))
  if (!page.value) return page.error ? <Failure error={page.error} again={page.reload} /> : <Waiting />
  const { items, conflicts, rejected } = page.value
  return (
    <div className="page">
      <div className="page-head">
        <h1>{text('corrections.title')}</h1>
        <Link to="/corrections/merge" className="button next" data-testid="merge-open">
          {text('kind.merge')}
        </Link>
      </div>
      {page.error && <Failure error={page.error} again={page.reload} />}
      <p className="quiet">{text('corrections.how')}</p>
      <UnsettledStudies />
      <section>
        <h2>{text('corrections.conflicts', { count: conflicts.length })}</h2>
        {conflicts.length === 0 ? <p className="quiet">{text('corrections.noConflicts')}</p> : <Studies studies={conflicts} id="conflict" to="/corrections" />}
      </section>
      {rejected.length > 0 && (
        <section>
          <h2>{text('corrections.rejected', { count: rejected.length })}</h2>
          <Studies studies={rejected} id="rejected" to="/corrections" />
        </section>
      )}
      <section>
        <h2>{text('corrections.history')}</h2>
        <History items={items} done={page.reload} />
      </section>
    </div>
  )
}
