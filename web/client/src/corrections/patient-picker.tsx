/** A patient of this hospital: found by name or ID, shown with her studies. */

import { Button, Input } from 'antd'
import { useEffect, useState } from 'react'
import { useResource } from '../api/resource'
import { useLanguage, useText } from '../language'
import { Failure } from '../shown/failure'
import { personName, sexWord } from '../shown/patient'
import { dicomDate } from '../shown/times'
import type { Patient, PatientKey, PatientPage } from './types'

interface PickerProps {
  label: string
  chosen: PatientKey | null
  choose: (patient: PatientKey | null) => void
  /** Not to be offered: the other one. */
  except?: PatientKey | null | undefined
  id: string
}

const REST_MS = 250

export function PatientPicker({ label, chosen, choose, except, id }: PickerProps) {
  return (
    <section className="card" aria-label={label}>
      <h2>{label}</h2>
      {chosen ? <Chosen patient={chosen} choose={choose} id={id} /> : <Search label={label} choose={choose} except={except} id={id} />}
    </section>
  )
}

function Search({ label, choose, except, id }: Omit<PickerProps, 'chosen'>) {
  const text = useText()
  const language = useLanguage()
  const [typed, setTyped] = useState('')
  const [words, setWords] = useState('')
  useEffect(() => {
    const timer = window.setTimeout(() => setWords(typed.trim()), REST_MS)
    return () => window.clearTimeout(timer)
  }, [typed])
  const found = useResource<{ items: Patient[] }>(`/api/corrections/patients?text=${encodeURIComponent(words)}`)
  const items = (found.value?.items ?? []).filter((each) => !except || each.id !== except.id || each.issuer !== except.issuer)
  return (
    <>
      <Input
        allowClear
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        placeholder={text('merge.search')}
        aria-label={`${label}: ${text('merge.search')}`}
        data-testid={`${id}-search`}
      />
      {found.error && <Failure error={found.error} again={found.reload} />}
      {found.value && items.length === 0 && <p className="quiet">{text('merge.noPatient')}</p>}
      <ul className="found">
        {items.slice(0, 8).map((each) => (
          <li key={`${each.issuer} ${each.id}`}>
            <button type="button" onClick={() => choose({ issuer: each.issuer, id: each.id })} data-testid={`${id}-${each.id}`}>
              <b>{personName(each.name, language) || text('patient.noName')}</b>
              <span className="tabular">{each.id || text('patient.noId')}</span>
              <span className="quiet">
                {sexWord(each.sex, text)} {dicomDate(each.birthDate)} · {text('merge.studies', { count: each.studies })}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </>
  )
}

function Chosen({ patient, choose, id }: { patient: PatientKey; choose: PickerProps['choose']; id: string }) {
  const text = useText()
  const language = useLanguage()
  const query = new URLSearchParams({ issuer: patient.issuer, id: patient.id }).toString()
  const page = useResource<PatientPage>(`/api/corrections/patient?${query}`)
  if (page.error && !page.value)
    return (
      <>
        <Failure error={page.error} again={page.reload} />
        <Button onClick={() => choose(null)}>{text('merge.another')}</Button>
      </>
    )
  const shown = page.value?.patient
  return (
    <>
      <div className="patient-head" data-testid={`${id}-chosen`}>
        <b className="big">{personName(shown?.name ?? '', language) || text('patient.noName')}</b>
        <Button type="link" onClick={() => choose(null)} data-testid={`${id}-clear`}>
          {text('merge.another')}
        </Button>
      </div>
      <dl className="facts">
        <div>
          <dt>{text('column.patientId')}</dt>
          <dd>{patient.id || text('patient.noId')}</dd>
        </div>
        <div>
          <dt>{text('column.issuer')}</dt>
          <dd>{patient.issuer}</dd>
        </div>
        <div>
          <dt>{text('column.sex')}</dt>
          <dd>{sexWord(shown?.sex ?? '', text)}</dd>
        </div>
        <div>
          <dt>{text('correct.birthDate')}</dt>
          <dd>{dicomDate(shown?.birthDate ?? '') || '–'}</dd>
        </div>
      </dl>
      <ul className="patient-studies">
        {page.value?.studies.slice(0, 12).map((study) => (
          <li key={study.studyUid}>
            <b>{study.modalities.join(' ')}</b> {study.description}{' '}
            <span className="quiet tabular">
              {dicomDate(study.studyDate)} · {text('images.count', { count: study.instances })}
            </span>
          </li>
        ))}
      </ul>
    </>
  )
}
