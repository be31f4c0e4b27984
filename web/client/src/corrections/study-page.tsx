/** One study put right: its conflict settled, its words corrected, moved, rejected; and what was done before. */

import { Segmented } from 'antd'
import { useState } from 'react'
import { Link, useParams } from 'react-router'
import type { Change } from '../api/live'
import { useResource } from '../api/resource'
import type { StudyPage } from '../api/types'
import type { Key } from '../catalogue'
import { useText } from '../language'
import { Waiting } from '../session/guard'
import { useSession } from '../session/session'
import { Failure } from '../shown/failure'
import { Banner } from '../study/banner'
import { ConflictPanel } from './contents'
import { CorrectDialog, type Proposal } from './correct-dialog'
import { MoveForm, PatientForm, RejectForm, SeriesForm, StudyForm } from './forms'
import { History } from './history'
import { proposalOf } from './proposals'
import type { Ask, StudyCorrections } from './types'

const FORMS = ['patient', 'study', 'series', 'move', 'reject'] as const
type Chosen = (typeof FORMS)[number]

export default function StudyCorrectionsPage() {
  const text = useText()
  const { origin = '', uid = '' } = useParams()
  const address = `/api/studies/${origin}/${uid}`
  const concerned = (change: Change) => change.subjects.includes(`study/${origin}/${uid}`)
  const page = useResource<StudyCorrections>(`${address}/corrections`, concerned)
  const whole = useResource<StudyPage>(address, concerned)
  const { me } = useSession()
  const [form, setForm] = useState<Chosen>('patient')
  const [proposal, setProposal] = useState<Proposal | null>(null)

  if (!page.value) return page.error ? <Failure error={page.error} again={page.reload} /> : <Waiting />
  const value = page.value
  const series = whole.value?.series ?? []
  const propose = (ask: Ask, act: Key) => {
    const name = text(act)
    const at = ask.kind === 'patient' ? '/api/corrections' : `${address}/corrections`
    const words = { title: name, explained: text('correct.explained'), confirm: text('correct.confirm', { act: name }) }
    setProposal(proposalOf(at, ask, ask.kind === 'reject' ? { ...words, warning: text('reject.warning') } : words))
  }
  const done = () => {
    page.reload()
    whole.reload()
  }
  return (
    <div className="page">
      <div className="page-head">
        <Link to={`/studies/${origin}/${uid}`} data-testid="study-back">
          {text('correct.back')}
        </Link>
        <h1>{text('correct.title')}</h1>
      </div>
      {page.error && <Failure error={page.error} again={page.reload} />}
      <Banner study={value.study} hospital={origin === me?.node.id ? me.node.name : origin} reading />
      {!value.own && <p className="quiet">{text('correct.elsewhere', { origin })}</p>}
      <ConflictPanel page={value} propose={propose} />
      {value.own && (
        <details className="card" data-testid="correct-forms" open={value.study.conflict === 0}>
          <summary>{text('correct.wrong')}</summary>
          <Segmented
            value={form}
            onChange={(next) => setForm(next as Chosen)}
            options={FORMS.map((each) => ({ value: each, label: text(`form.${each}`) }))}
            data-testid="correct-kind"
          />
          <CurrentForm form={form} value={value} series={series} propose={propose} />
        </details>
      )}
      <section>
        <h2>{text('corrections.history')}</h2>
        <History items={value.items} done={done} here />
      </section>
      <CorrectDialog proposal={proposal} close={() => setProposal(null)} done={done} />
    </div>
  )
}

interface CurrentFormProps {
  form: Chosen
  value: StudyCorrections
  series: StudyPage['series']
  propose: (ask: Ask, act: Key) => void
}

/** A form begins anew when what it corrects has become another. */
function CurrentForm({ form, value, series, propose }: CurrentFormProps) {
  const { study, items } = value
  const at = items.map((each) => `${each.id}${each.undoneAt ?? ''}`).join()
  switch (form) {
    case 'patient':
      return <PatientForm key={at} study={study} propose={propose} />
    case 'study':
      return <StudyForm key={at} study={study} propose={propose} />
    case 'series':
      return <SeriesForm key={at} series={series} propose={propose} />
    case 'move':
      return <MoveForm key={at} study={study} propose={propose} />
    case 'reject':
      return <RejectForm key={at} series={series} propose={propose} />
  }
}
