/** One study: whose it is, its images, what was asked, what was answered, what happened to it. */

import { Button } from 'antd'
import { Link, useParams, useSearchParams } from 'react-router'
import type { Change } from '../api/live'
import { useResource } from '../api/resource'
import type { StudyStorage } from '../api/storage'
import type { StudyPage as Page } from '../api/types'
import { useText } from '../language'
import { Waiting } from '../session/guard'
import { useRole, useSession } from '../session/session'
import { useKeys } from '../shell/keys'
import { Failure } from '../shown/failure'
import { Banner } from './banner'
import { Cases } from './cases'
import { Conflicts } from './conflicts'
import { Reports } from './reports'
import { RequestForm } from './request-form'
import { Send, StudyTransfers } from './send'
import { SeriesStrip } from './series-strip'
import { Storage } from './storage'
import { Story } from './story'
import { Unsettled } from './unsettled'

const OPEN_STATES = ['requested', 'offered', 'claimed']

export default function StudyPage() {
  const text = useText()
  const { origin = '', uid = '' } = useParams()
  const address = `/api/studies/${origin}/${uid}`
  const concerned = (change: Change) =>
    change.subjects.some((subject) => subject === `study/${origin}/${uid}` || /^(case|report|delivery)\//.test(subject))
  const page = useResource<Page>(address, concerned)
  const storage = useResource<StudyStorage>(`${address}/storage`, concerned)
  const [parameters, setParameters] = useSearchParams()
  const { me } = useSession()
  const technician = useRole('technician')

  const requesting = parameters.has('request')
  const setRequesting = (open: boolean) => setParameters(open ? { request: '' } : {}, { replace: !open })
  const value = page.value
  const own = technician && value !== null && value.study.origin === me?.node.id
  const mayRequest =
    technician &&
    value !== null &&
    value.study.origin === me?.node.id &&
    value.study.conflict < 2 &&
    !value.cases.some((each) => OPEN_STATES.includes(each.state))
  useKeys(mayRequest ? [{ key: 'r', label: 'keys.request', act: () => setRequesting(true) }] : [])

  if (!value) return page.error ? <Failure error={page.error} again={page.reload} /> : <Waiting />
  const { study } = value
  return (
    <div className="page">
      {page.error && <Failure error={page.error} again={page.reload} />}
      <Banner study={study} hospital={hospitalOf(value, me?.node)} />
      <div className="page-actions">
        {mayRequest && (
          <Button
            type={value.reports.length > 0 ? 'default' : 'primary'}
            size={value.reports.length > 0 ? 'middle' : 'large'}
            onClick={() => setRequesting(true)}
            data-testid="request-consult"
          >
            {text('request.open')}
          </Button>
        )}
        <Link to={`/view/${origin}/${uid}`} className="button" data-testid="open-viewer">
          {text('study.view')}
        </Link>
        {own && <Send page={value} />}
        {technician && value.study.origin === me?.node.id && (
          <Link to={`/studies/${origin}/${uid}/corrections`} className="button" data-testid="open-corrections">
            {text('nav.corrections')}
          </Link>
        )}
      </div>
      <Unsettled study={study} reload={page.reload} />
      <Conflicts conflicts={value.conflicts} study={study} />
      <SeriesStrip page={value} />
      <Storage address={address} storage={storage} />
      {own && <StudyTransfers uid={uid} />}
      <Cases cases={value.cases} reload={page.reload} />
      <Reports reports={value.reports} reload={page.reload} />
      <Story address={`${address}/story`} follow={concerned} />
      {mayRequest && <RequestForm study={study} open={requesting} close={() => setRequesting(false)} done={page.reload} />}
    </div>
  )
}

/** The hospital's own name where it is known, else its node id. */
function hospitalOf(page: Page, node: { id: string; name: string } | undefined): string {
  if (page.study.origin === node?.id) return node.name
  return page.cases.find((each) => each.clinic === page.study.origin)?.clinicName ?? page.study.origin
}
