/** What arrived with two contents: shown, never overwritten. */

import { Alert } from 'antd'
import { Link } from 'react-router'
import type { InstanceConflict, Study } from '../api/types'
import { useText } from '../language'
import { useRole, useSession } from '../session/session'

export function Conflicts({ conflicts, study }: { conflicts: InstanceConflict[]; study: Study }) {
  const text = useText()
  const { me } = useSession()
  const mayCorrect = useRole('technician') && study.origin === me?.node.id
  if (conflicts.length === 0 && study.conflict === 0) return null
  const patient = study.conflict >= 2 || conflicts.some((each) => each.patientDiffers)
  return (
    <Alert
      type={patient ? 'error' : 'warning'}
      showIcon
      data-testid="conflicts"
      title={text(patient ? 'conflict.patient' : 'conflict.content')}
      description={
        <>
          <p>{text(patient ? 'conflict.patientHow' : 'conflict.contentHow')}</p>
          {mayCorrect && (
            <p>
              <Link to={`/studies/${study.origin}/${study.studyUid}/corrections`} data-testid="settle-conflict">
                {text('conflict.settle')}
              </Link>
            </p>
          )}
          {conflicts.length > 0 && (
            <details>
              <summary>{text('conflict.list', { count: conflicts.length })}</summary>
              <ul className="code">
                {conflicts.map((each) => (
                  <li key={each.sopUid}>
                    {each.sopUid}: {each.digests.map((digest) => digest.slice(0, 12)).join(' / ')}
                  </li>
                ))}
              </ul>
            </details>
          )}
        </>
      }
    />
  )
}
