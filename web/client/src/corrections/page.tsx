/** Corrections: what waits for somebody, and what was corrected. */

import { Link } from 'react-router'
import { about, useResource } from '../api/resource'
import type { Study } from '../api/types'
import { useLanguage, useText } from '../language'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { Moment } from '../shown/moment'
import { personName } from '../shown/patient'
import { StudyMark } from '../shown/states'
import { dicomDate } from '../shown/times'
import { History } from './history'
import type { Corrections } from './types'

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
      <section>
        <h2>{text('corrections.conflicts', { count: conflicts.length })}</h2>
        {conflicts.length === 0 ? <p className="quiet">{text('corrections.noConflicts')}</p> : <Studies studies={conflicts} id="conflict" />}
      </section>
      {rejected.length > 0 && (
        <section>
          <h2>{text('corrections.rejected', { count: rejected.length })}</h2>
          <Studies studies={rejected} id="rejected" />
        </section>
      )}
      <section>
        <h2>{text('corrections.history')}</h2>
        <History items={items} done={page.reload} />
      </section>
    </div>
  )
}

function Studies({ studies, id }: { studies: Study[]; id: string }) {
  const text = useText()
  const language = useLanguage()
  return (
    <table className="lines plain">
      <thead>
        <tr>
          <th scope="col">{text('column.patient')}</th>
          <th scope="col">{text('column.patientId')}</th>
          <th scope="col">{text('column.study')}</th>
          <th scope="col">{text('column.state')}</th>
          <th scope="col" className="wide">
            {text('column.arrived')}
          </th>
        </tr>
      </thead>
      <tbody>
        {studies.map((study) => (
          <tr key={study.studyUid}>
            <td className="lead">
              <Link to={`/studies/${study.origin}/${study.studyUid}/corrections`} data-testid={`${id}-${study.studyUid}`}>
                {personName(study.patientName, language) || text('patient.noName')}
              </Link>
            </td>
            <td className="tabular">{study.patientId}</td>
            <td>
              <b>{study.modalities.join(' ')}</b> {study.description} <span className="quiet tabular">{dicomDate(study.studyDate)}</span>
            </td>
            <td>{id === 'rejected' ? text('corrections.isRejected') : <StudyMark study={study} />}</td>
            <td className="wide">
              <Moment at={study.lastAt} short />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
