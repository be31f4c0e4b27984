/** The reading room of one case: images left, report right, the patient always above. */

import { ConfigProvider } from 'antd'
import { lazy, Suspense, useEffect } from 'react'
import { useParams } from 'react-router'
import type { Change } from '../api/live'
import { useResource } from '../api/resource'
import type { Case, StudyPage } from '../api/types'
import { useText } from '../language'
import { Waiting } from '../session/guard'
import { useSession } from '../session/session'
import { Failure } from '../shown/failure'
import { DARK } from '../theme'
import { ReportPanel } from './report-panel'
import { Room } from './room'

const Viewer = lazy(() => import('../viewer/viewer'))

export default function ReadingPage() {
  const text = useText()
  const { caseId = '' } = useParams()
  const { me } = useSession()
  const named = (subject: string) => (change: Change) => change.subjects.includes(subject)
  const item = useResource<Case>(`/api/consults/${caseId}`, named(`case/${caseId}`))
  const { value: found } = item
  const address = found && `/api/studies/${found.origin}/${found.studyUid}`
  const study = useResource<StudyPage>(address, named(`study/${found?.origin}/${found?.studyUid}`))
  useEffect(() => {
    document.title = text('reading.title', { node: me?.node.name ?? '' })
  }, [text, me])

  return (
    <ConfigProvider theme={DARK}>
      {!found ? (
        item.error ? (
          <Failure error={item.error} again={item.reload} />
        ) : (
          <Waiting />
        )
      ) : (
        <Room study={study.value?.study ?? found.study} hospital={found.clinicName || found.clinic} back="/consults">
          {study.value ? (
            <Suspense fallback={<Waiting />}>
              <Viewer page={study.value} />
            </Suspense>
          ) : study.error ? (
            <Failure error={study.error} again={study.reload} />
          ) : (
            <Waiting />
          )}
          <ReportPanel key={caseId} item={found} put={item.put} reload={item.reload} />
        </Room>
      )}
    </ConfigProvider>
  )
}
