/** What a remote AE answered: one line a study, some of them chosen. */

import { Button, Checkbox } from 'antd'
import { useState } from 'react'
import { Link } from 'react-router'
import type { FoundStudy } from '../api/remote'
import { useLanguage, useText } from '../language'
import { useSession } from '../session/session'
import { personName } from '../shown/patient'

interface AnswersProps {
  found: FoundStudy[]
  busy: boolean
  fetchThem: (uids: string[]) => void
}

export function Answers({ found, busy, fetchThem }: AnswersProps) {
  const text = useText()
  const language = useLanguage()
  const { me } = useSession()
  const [chosen, setChosen] = useState<string[]>([])
  if (found.length === 0) return <div className="empty" data-testid="query-empty">{text('query.none')}</div>
  const choose = (uid: string, on: boolean) => setChosen((was) => (on ? [...was, uid] : was.filter((each) => each !== uid)))
  const there = chosen.filter((uid) => found.some((each) => each.studyUid === uid))
  return (
    <>
      <div className="page-actions">
        <Button
          type="primary"
          disabled={there.length === 0}
          loading={busy}
          onClick={() => fetchThem(there)}
          data-testid="query-fetch"
        >
          {text('query.fetch', { count: there.length })}
        </Button>
        <span className="quiet" data-testid="query-count">
          {text('query.found', { count: found.length })}
        </span>
      </div>
      <table className="lines plain" aria-label={text('query.answers')}>
        <thead>
          <tr>
            <th scope="col">{text('query.choose')}</th>
            <th scope="col">{text('column.patient')}</th>
            <th scope="col">{text('query.date')}</th>
            <th scope="col">{text('query.modality')}</th>
            <th scope="col" className="wide">
              {text('query.description')}
            </th>
            <th scope="col">{text('query.accession')}</th>
            <th scope="col" className="number">
              {text('query.images')}
            </th>
            <th scope="col">{text('query.here')}</th>
          </tr>
        </thead>
        <tbody>
          {found.map((each, n) => (
            <tr key={each.studyUid || n} data-testid={`answer-${each.studyUid}`}>
              <td>
                <Checkbox
                  checked={chosen.includes(each.studyUid)}
                  disabled={!each.studyUid}
                  onChange={(event) => choose(each.studyUid, event.target.checked)}
                  aria-label={text('query.chooseOne', { name: personName(each.patientName, language) || each.patientId })}
                  data-testid="answer-choose"
                />
              </td>
              <td className="lead">
                <span className="strong">{personName(each.patientName, language)}</span> <span className="quiet">{each.patientId}</span>
              </td>
              <td className="tabular">{day(each.studyDate)}</td>
              <td>{each.modalities}</td>
              <td className="wide">{each.description}</td>
              <td className="code">{each.accession}</td>
              <td className="number">{each.instances}</td>
              <td>
                {each.here > 0 && me ? (
                  <Link to={`/studies/${me.node.id}/${each.studyUid}`}>{text('query.hereCount', { count: each.here })}</Link>
                ) : (
                  <span className="nothing" />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}

/** DICOM dates are local to their hospital and shown as written. */
function day(date: string): string {
  return /^\d{8}$/.test(date) ? `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}` : date
}
