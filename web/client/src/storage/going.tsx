/** What would go with a study, from where, and who is told: read before anybody asks, and before anybody approves. */

import { Alert } from 'antd'
import { useEffect, useState } from 'react'
import { post, ApiError } from '../api/client'
import { DELETIONS, type Going, type NamedStudy } from '../api/deletion'
import { useLanguage, useText } from '../language'
import { Waiting } from '../session/guard'
import { useSession } from '../session/session'
import { Failure } from '../shown/failure'
import { personName } from '../shown/patient'
import { byteSize, count } from '../shown/size'
import { dayWord } from '../shown/times'

type StudyName = Pick<NamedStudy, 'origin' | 'studyUid'>

/** Ask what would go; null while nothing is asked about. */
export function useGoing(study: StudyName | null): { going: Going | null; error: ApiError | null } {
  const [going, setGoing] = useState<Going | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  const origin = study?.origin ?? ''
  const studyUid = study?.studyUid ?? ''
  useEffect(() => {
    setGoing(null)
    setError(null)
    if (!studyUid) return
    let over = false
    post<Going>(`${DELETIONS}/preview`, { origin, studyUid })
      .then((found) => !over && setGoing(found))
      .catch((cause: unknown) => !over && setError(cause instanceof ApiError ? cause : new ApiError(0, 'no-words', String(cause))))
    return () => {
      over = true
    }
  }, [origin, studyUid])
  return { going, error }
}

export function WhatGoes({ going, error }: { going: Going | null; error: ApiError | null }) {
  const text = useText()
  const language = useLanguage()
  if (error) return <Failure error={error} />
  if (!going) return <Waiting />
  const { study } = going
  const mark = text('common.listMark')
  return (
    <div data-testid="going">
      <Alert type="error" showIcon title={text('deletion.danger')} description={text('deletion.dangerHow')} />
      {going.barred && (
        <Alert type="warning" showIcon title={text('deletion.barred')} description={going.barred} data-testid="going-barred" />
      )}
      <dl className="facts going">
        <div className="whole">
          <dt>{text('deletion.study')}</dt>
          <dd>
            <StudyLine study={study} />
          </dd>
        </div>
        <Fact label={text('deletion.images')} value={count(study.instances, language)} testId="going-instances" />
        <Fact label={text('storage.size')} value={byteSize(study.bytes, language)} />
        <Fact label={text('deletion.reports')} value={count(going.reports, language)} />
        <Fact label={text('deletion.cases')} value={count(going.cases, language)} />
        <Fact label={text('deletion.stores')} value={going.stores.join(mark) || text('deletion.onlineOnly')} />
        <Fact label={text('deletion.peers')} value={going.peers.join(mark) || text('deletion.noPeers')} />
        <div className="whole">
          <dt>{text('deletion.retention')}</dt>
          <dd className={going.over ? '' : 'mark warn'}>
            {going.until === null
              ? text('deletion.forGood')
              : text(going.over ? 'deletion.over' : 'deletion.early', { day: dayWord(going.until, language) })}
          </dd>
        </div>
      </dl>
    </div>
  )
}

function Fact({ label, value, testId }: { label: string; value: string; testId?: string }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd data-testid={testId}>{value}</dd>
    </div>
  )
}

/** Whose study it is for who may see it; for all others its number. */
export function StudyLine({ study }: { study: NamedStudy }) {
  const language = useLanguage()
  const { me } = useSession()
  const [name = '', id = ''] = study.label.split('\t')
  const uid = `${study.origin === me?.node.id ? '' : `${study.origin} `}${study.studyUid}`
  return (
    <span className="study-line">
      {study.label && <b>{personName(name, language) || id}</b>} {name && <span className="quiet">{id}</span>}{' '}
      {study.modalities.join(' ')} <span className="code">{uid}</span>
    </span>
  )
}
