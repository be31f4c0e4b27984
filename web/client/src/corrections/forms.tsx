/** What is wrong with a study, in four forms; each leads to a look at what it would change. */

import { Button, Form, Input, Radio, Select } from 'antd'
import { useState } from 'react'
import type { Series, Study } from '../api/types'
import { useText } from '../language'
import { PatientPicker } from './patient-picker'
import type { Ask, PatientKey } from './types'

const REASONS = ['113001', '113037', '113038', '113039'] as const
const STUDY_FIELDS = ['description', 'accession', 'studyDate', 'studyTime'] as const
const SERIES_FIELDS = ['description', 'modality', 'bodyPart', 'laterality'] as const
const COLUMNS: Record<string, string> = { studyDate: 'study_date', studyTime: 'study_time', bodyPart: 'body_part' }

export type Propose = (ask: Ask, act: 'kind.patient' | 'kind.study' | 'kind.series' | 'kind.move' | 'kind.reject') => void

/** Only what was changed is asked for. */
function changed(was: Record<string, string>, is: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(is).flatMap(([name, value]) => (value === undefined || value.trim() === was[name] ? [] : [[name, value.trim()]])),
  )
}

export function PatientForm({ study, propose }: { study: Study; propose: Propose }) {
  const text = useText()
  const was = { id: study.patientId, name: study.patientName, birthDate: study.birthDate, sex: study.sex }
  const patient = { issuer: study.patientIssuer, id: study.patientId }
  return (
    <Form
      layout="vertical"
      requiredMark={false}
      initialValues={was}
      onFinish={(is: Record<string, string>) => propose({ kind: 'patient', patient, change: changed(was, is) }, 'kind.patient')}
    >
      <p className="quiet">{text('correct.patientHow')}</p>
      <div className="rule-fields">
        <Form.Item name="name" label={text('correct.name')} extra={text('correct.nameHow')}>
          <Input data-testid="correct-name" />
        </Form.Item>
        <Form.Item name="id" label={text('column.patientId')}>
          <Input data-testid="correct-id" />
        </Form.Item>
        <Form.Item name="sex" label={text('column.sex')}>
          <Sexes />
        </Form.Item>
        <Form.Item name="birthDate" label={text('correct.birthDate')} extra={text('correct.dateHow')}>
          <Input data-testid="correct-birth-date" />
        </Form.Item>
      </div>
      <Look />
    </Form>
  )
}

export function StudyForm({ study, propose }: { study: Study; propose: Propose }) {
  const was: Record<string, string> = {
    description: study.description,
    accession: study.accession,
    studyDate: study.studyDate,
    studyTime: study.studyTime,
  }
  return (
    <Form
      layout="vertical"
      requiredMark={false}
      initialValues={was}
      onFinish={(is: Record<string, string>) => propose({ kind: 'study', values: columns(changed(was, is)) }, 'kind.study')}
    >
      <div className="rule-fields">
        {STUDY_FIELDS.map((name) => (
          <Field key={name} name={name} />
        ))}
      </div>
      <Look />
    </Form>
  )
}

export function SeriesForm({ series, propose }: { series: Series[]; propose: Propose }) {
  const text = useText()
  const [uid, setUid] = useState(series[0]?.seriesUid ?? '')
  const chosen = series.find((each) => each.seriesUid === uid)
  if (!chosen) return <p className="quiet">{text('series.none')}</p>
  const was: Record<string, string> = {
    description: chosen.description,
    modality: chosen.modality,
    bodyPart: chosen.bodyPart,
    laterality: chosen.laterality,
  }
  return (
    <Form
      key={uid}
      layout="vertical"
      requiredMark={false}
      initialValues={was}
      onFinish={(is: Record<string, string>) =>
        propose({ kind: 'series', seriesUid: uid, values: columns(changed(was, is)) }, 'kind.series')
      }
    >
      <Form.Item label={text('correct.series')}>
        <SeriesSelect series={series} value={uid} onChange={setUid} />
      </Form.Item>
      <div className="rule-fields">
        {SERIES_FIELDS.map((name) => (
          <Field key={name} name={name} />
        ))}
      </div>
      <Look />
    </Form>
  )
}

export function MoveForm({ study, propose }: { study: Study; propose: Propose }) {
  const text = useText()
  const [to, setTo] = useState<PatientKey | null>(null)
  const [fresh, setFresh] = useState(false)
  return (
    <Form
      layout="vertical"
      requiredMark={false}
      onFinish={(is: Record<string, string>) =>
        propose(fresh ? { kind: 'move', change: is } : { kind: 'move', patient: to }, 'kind.move')
      }
    >
      <p className="quiet">{text('move.how')}</p>
      <Form.Item>
        <Radio.Group value={fresh} onChange={(event) => setFresh(event.target.value as boolean)}>
          <Radio value={false}>{text('move.here')}</Radio>
          <Radio value={true} data-testid="move-new">
            {text('move.new')}
          </Radio>
        </Radio.Group>
      </Form.Item>
      {fresh ? (
        <div className="rule-fields">
          <Form.Item name="id" label={text('column.patientId')} rules={[{ required: true, message: text('form.missing') }]}>
            <Input data-testid="move-id" />
          </Form.Item>
          <Form.Item name="name" label={text('correct.name')} extra={text('correct.nameHow')} rules={[{ required: true, message: text('form.missing') }]}>
            <Input data-testid="move-name" />
          </Form.Item>
          <Form.Item name="sex" label={text('column.sex')}>
            <Sexes />
          </Form.Item>
          <Form.Item name="birthDate" label={text('correct.birthDate')} extra={text('correct.dateHow')}>
            <Input />
          </Form.Item>
        </div>
      ) : (
        <PatientPicker
          label={text('move.right')}
          chosen={to}
          choose={setTo}
          except={{ issuer: study.patientIssuer, id: study.patientId }}
          id="move"
        />
      )}
      <Look disabled={!fresh && !to} />
    </Form>
  )
}

export function RejectForm({ series, propose }: { series: Series[]; propose: Propose }) {
  const text = useText()
  const [uid, setUid] = useState('')
  return (
    <Form
      layout="vertical"
      requiredMark={false}
      initialValues={{ code: '113001' }}
      onFinish={(is: { code: string }) => propose({ kind: 'reject', seriesUid: uid, code: is.code }, 'kind.reject')}
    >
      <p className="quiet">{text('reject.how')}</p>
      <Form.Item label={text('reject.what')}>
        <SeriesSelect series={series} value={uid} onChange={setUid} whole />
      </Form.Item>
      <Form.Item name="code" label={text('reject.code')}>
        <Radio.Group className="stacked">
          {REASONS.map((code) => (
            <Radio key={code} value={code} data-testid={`code-${code}`}>
              {text(`code.${code}`)}
            </Radio>
          ))}
        </Radio.Group>
      </Form.Item>
      <Look />
    </Form>
  )
}

function Look({ disabled = false }: { disabled?: boolean }) {
  const text = useText()
  return (
    <Button type="primary" htmlType="submit" disabled={disabled} data-testid="preview-open">
      {text('preview.open')}
    </Button>
  )
}

function Field({ name }: { name: (typeof STUDY_FIELDS)[number] | (typeof SERIES_FIELDS)[number] }) {
  const text = useText()
  const hint = name === 'studyDate' ? text('correct.dateHow') : name === 'studyTime' ? text('correct.timeHow') : undefined
  const label = text(name === 'accession' ? 'column.accession' : name === 'studyDate' ? 'column.studyDate' : `correct.${name}`)
  return (
    <Form.Item name={name} label={label} extra={hint}>
      <Input data-testid={`correct-${name}`} />
    </Form.Item>
  )
}

function Sexes(props: { value?: string; onChange?: (value: string) => void }) {
  const text = useText()
  return (
    <Select
      {...props}
      options={[
        { value: 'M', label: text('sex.male') },
        { value: 'F', label: text('sex.female') },
        { value: 'O', label: text('sex.other') },
        { value: '', label: text('sex.unknown') },
      ]}
    />
  )
}

interface SeriesSelectProps {
  series: Series[]
  value: string
  onChange: (uid: string) => void
  whole?: boolean
}

function SeriesSelect({ series, value, onChange, whole = false }: SeriesSelectProps) {
  const text = useText()
  const options = series.map((each) => ({
    value: each.seriesUid,
    label: `${each.number ?? '–'} · ${each.modality} ${each.description} (${text('images.count', { count: each.instances })})`,
  }))
  const all = whole ? [{ value: '', label: text('reject.whole') }] : []
  return <Select value={value} onChange={onChange} options={[...all, ...options]} data-testid="series-select" aria-label={text('correct.series')} />
}

function columns(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [COLUMNS[name] ?? name, value]))
}
