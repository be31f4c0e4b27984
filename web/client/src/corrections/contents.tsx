/** A conflict before a person: whose study it is, and which of two contents is right, side by side. */

import { Button, Radio } from 'antd'
import { useState } from 'react'
import { useLanguage, useText } from '../language'
import { Mark } from '../shown/mark'
import { Moment } from '../shown/moment'
import { personName, sexWord } from '../shown/patient'
import { dicomDate } from '../shown/times'
import type { Ask, Content, Spoken, StudyCorrections } from './types'

interface ConflictProps {
  page: StudyCorrections
  propose: (ask: Ask, act: 'kind.identity' | 'kind.choose') => void
}

export function ConflictPanel({ page, propose }: ConflictProps) {
  const text = useText()
  if (page.study.conflict === 0) return null
  return (
    <section className="card" data-testid="conflict-panel">
      <h2>{text('conflict.settle')}</h2>
      {page.study.conflict >= 2 && page.patients.length > 1 && <Whose patients={page.patients} propose={propose} />}
      {grouped(page.contents).map((contents) => (
        <SideBySide key={contents[0]?.sopUid} contents={contents} page={page} propose={propose} />
      ))}
    </section>
  )
}

function Whose({ patients, propose }: { patients: Spoken[]; propose: ConflictProps['propose'] }) {
  const text = useText()
  const language = useLanguage()
  const [chosen, setChosen] = useState<number | null>(null)
  const [others, setOthers] = useState<'reject' | 'move'>('reject')
  const patient = chosen === null ? null : patients[chosen]
  return (
    <div className="whose">
      <p>{text('conflict.whose')}</p>
      <div className="side-by-side">
        {patients.map((each, n) => (
          <Radio
            key={`${each.issuer} ${each.id} ${each.name}`}
            checked={n === chosen}
            onChange={() => setChosen(n)}
            className={n === chosen ? 'choice chosen' : 'choice'}
            data-testid={`identity-${each.id}`}
          >
            <b>{personName(each.name, language) || text('patient.noName')}</b>
            <span className="tabular"> {each.id || text('patient.noId')}</span>
            <br />
            <span className="quiet">
              {sexWord(each.sex, text)} {dicomDate(each.birthDate)} · <Moment at={each.firstAt} short />
            </span>
          </Radio>
        ))}
      </div>
      <Radio.Group value={others} onChange={(event) => setOthers(event.target.value as 'reject' | 'move')}>
        <Radio value="reject" data-testid="others-reject">
          {text('conflict.othersReject')}
        </Radio>
        <Radio value="move" data-testid="others-move">
          {text('conflict.othersMove')}
        </Radio>
      </Radio.Group>
      <Button
        type="primary"
        disabled={!patient}
        onClick={() => patient && propose({ kind: 'identity', patient: { issuer: patient.issuer, id: patient.id }, others }, 'kind.identity')}
        data-testid="identity-propose"
      >
        {text('preview.open')}
      </Button>
    </div>
  )
}

function SideBySide({ contents, page, propose }: { contents: Content[]; page: StudyCorrections; propose: ConflictProps['propose'] }) {
  const text = useText()
  const language = useLanguage()
  const root = page.own ? '/dicomweb' : `/dicomweb/from/${page.study.origin}`
  return (
    <div className="contents">
      <p className="code quiet">{contents[0]?.sopUid}</p>
      <div className="side-by-side">
        {contents.map((each) => (
          <figure key={each.digest} className="content" data-testid={`content-${each.digest.slice(0, 12)}`}>
            <Picture
              source={`${root}/studies/${page.study.studyUid}/series/${each.seriesUid}/instances/${each.sopUid}/rendered?digest=${each.digest}`}
            />
            <figcaption>
              <Mark shape={each.state === 'chosen' ? 'disc' : 'triangle'} tone={each.state === 'chosen' ? 'good' : 'warn'}>
                {text(each.state === 'chosen' ? 'conflict.isShown' : 'conflict.isOther')}
              </Mark>
              <b>{personName(each.patientName, language) || text('patient.noName')}</b>
              <span className="tabular">
                {each.patientId} · {sexWord(each.sex, text)} · {dicomDate(each.birthDate)}
              </span>
              <span>{each.description}</span>
              <span className="quiet">
                {each.device} {each.address} · <Moment at={each.receivedAt} />
              </span>
              {page.own && (
                <Button
                  onClick={() => propose({ kind: 'choose', sopUids: [each.sopUid], chosen: each.digest }, 'kind.choose')}
                  data-testid={`choose-${each.digest.slice(0, 12)}`}
                >
                  {text('conflict.choose')}
                </Button>
              )}
            </figcaption>
          </figure>
        ))}
      </div>
    </div>
  )
}

/** The content's own picture; what has none says so. */
function Picture({ source }: { source: string }) {
  const text = useText()
  const [failed, setFailed] = useState(false)
  if (failed) return <span className="content-picture none">{text('conflict.noPicture')}</span>
  return <img className="content-picture" src={source} alt="" onError={() => setFailed(true)} />
}

function grouped(contents: Content[]): Content[][] {
  const groups = new Map<string, Content[]>()
  for (const each of contents) groups.set(each.sopUid, [...(groups.get(each.sopUid) ?? []), each])
  return [...groups.values()]
}
