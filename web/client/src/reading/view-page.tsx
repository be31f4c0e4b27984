/** The same viewer without a report: for whoever may see the study. */

import { ConfigProvider } from 'antd'
import { lazy, Suspense } from 'react'
import { useParams, useSearchParams } from 'react-router'
import { useResource } from '../api/resource'
import type { StudyPage } from '../api/types'
import { Waiting } from '../session/guard'
import { useSession } from '../session/session'
import { Failure } from '../shown/failure'
import { DARK } from '../theme'
import { Room } from './room'

const Viewer = lazy(() => import('../viewer/viewer'))

export default function ViewPage() {
  const { origin = '', uid = '' } = useParams()
  const [parameters] = useSearchParams()
  const { me } = useSession()
  const subject = `study/${origin}/${uid}`
  const page = useResource<StudyPage>(`/api/studies/${origin}/${uid}`, (change) => change.subjects.includes(subject))
  const { value } = page
  return (
    <ConfigProvider theme={DARK}>
      {value ? (
        <Room
          study={value.study}
          hospital={origin === me?.node.id ? me.node.name : (value.cases[0]?.clinicName ?? origin)}
          back={`/studies/${origin}/${uid}`}
        >
          <Suspense fallback={<Waiting />}>
            <Viewer page={value} first={parameters.get('series') ?? undefined} />
          </Suspense>
        </Room>
      ) : page.error ? (
        <Failure error={page.error} again={page.reload} />
      ) : (
        <Waiting />
      )}
    </ConfigProvider>
  )
}
