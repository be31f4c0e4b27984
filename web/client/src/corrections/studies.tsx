/** Studies that wait for somebody, one a line. */

import { Link } from 'react-router'
import type { Study } from '../api/types'
import { useLanguage, useText } from '../language'
import { Moment } from '../shown/moment'
import { personName } from '../shown/patient'
import { StudyMark } from '../shown/states'
import { dicomDate } from '../shown/times'

interface StudiesProps {
  studies: Study[]
  /** Of its lines in tests; `rejected` says so of each. */
  id: string
  /** The page of a study that a line opens; empty for its own. */
  to: '' | '/corrections'
}

export function Studies({ studies, id, to }: StudiesProps) {
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
          <tr key={`${study.origin}/${study.studyUid}`}>
            <td className="lead">
              <Link to={`/studies/${study.origin}/${study.studyUid}${to}`} data-testid={`${id}-${study.studyUid}`}>
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
