/** Ask a remote AE for studies by what one knows, and fetch those chosen. */

import { Alert, App, Button, Form, Input, Select } from 'antd'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { useAction } from '../api/action'
import { post } from '../api/client'
import type { FoundStudies, RemoteName } from '../api/remote'
import { useResource } from '../api/resource'
import { useText } from '../language'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { Answers } from './answers'

interface Fields {
  remote: string
  name?: string
  patientId?: string
  accession?: string
  modality?: string
  dateFrom?: string
  dateTo?: string
}

/** Codes of PS3.3 C.7.3.1.1.1, the same in every language. */
const MODALITIES = ['CT', 'MR', 'DX', 'CR', 'DR', 'US', 'MG', 'XA', 'RF', 'NM', 'PT', 'ES', 'SR']

export function Query() {
  const text = useText()
  const { message } = App.useApp()
  const navigate = useNavigate()
  const [form] = Form.useForm<Fields>()
  const names = useResource<{ items: RemoteName[] }>('/api/remote-names')
  const [found, setFound] = useState<(FoundStudies & { remote: string }) | null>(null)
  const asking = useAction()
  const fetching = useAction()
  if (!names.value) return names.error ? <Failure error={names.error} again={names.reload} /> : <Waiting />
  const remotes = names.value.items.filter((each) => each.query)
  if (remotes.length === 0) return <div className="empty" data-testid="query-no-remotes">{text('query.noRemotes')}</div>
  const ask = async (fields: Fields) => {
    const day = (value?: string) => (value ?? '').replaceAll('-', '')
    const given = { ...fields, dateFrom: day(fields.dateFrom), dateTo: day(fields.dateTo) }
    await asking.run(
      async () => setFound({ ...(await post<FoundStudies>('/api/queries/studies', given)), remote: fields.remote }),
      (error) => {
        if (error.status !== 422 || error.details.field !== 'name') return false
        form.setFields([{ name: 'name', errors: [text('query.nothingTyped')] }])
        return true
      },
    )
  }
  const fetchThem = async (uids: string[]) => {
    if (!found) return
    const studies = found.items
      .filter((each) => uids.includes(each.studyUid))
      .map((each) => ({
        studyUid: each.studyUid,
        label: `${each.patientName}\t${each.patientId}`,
      }))
    if (await fetching.run(() => post('/api/transfers/retrieve', { remote: found.remote, studies }))) {
      void message.success(text('query.asked', { count: studies.length }))
      void navigate('/remotes/transfers')
    }
  }
  return (
    <>
      <Form<Fields>
        form={form}
        layout="vertical"
        requiredMark={false}
        onFinish={ask}
        initialValues={{ remote: remotes[0]?.id ?? '' }}
        className="query-fields"
        onValuesChange={() => form.setFields([{ name: 'name', errors: [] }])}
        data-testid="query"
      >
        <Form.Item name="remote" label={text('query.remote')}>
          <Select data-testid="query-remote" options={remotes.map((each) => ({ value: each.id, label: each.name }))} />
        </Form.Item>
        <Form.Item name="name" label={text('query.name')}>
          <Input allowClear data-testid="query-name" />
        </Form.Item>
        <Form.Item name="patientId" label={text('query.patientId')}>
          <Input allowClear data-testid="query-patientId" />
        </Form.Item>
        <Form.Item name="accession" label={text('query.accession')}>
          <Input allowClear data-testid="query-accession" />
        </Form.Item>
        <Form.Item name="modality" label={text('query.modality')}>
          <Select
            allowClear
            data-testid="query-modality"
            options={MODALITIES.map((value) => ({ value, label: value }))}
          />
        </Form.Item>
        <Form.Item name="dateFrom" label={text('query.dateFrom')}>
          <Input type="date" data-testid="query-dateFrom" />
        </Form.Item>
        <Form.Item name="dateTo" label={text('query.dateTo')}>
          <Input type="date" data-testid="query-dateTo" />
        </Form.Item>
        <Button type="primary" htmlType="submit" loading={asking.busy} data-testid="query-ask">
          {text('query.ask')}
        </Button>
      </Form>
      {found && !found.complete && <Alert type="warning" showIcon title={text('query.more', { count: found.items.length })} />}
      {found && found.unreadable > 0 && (
        <Alert type="warning" showIcon title={text('query.unreadable', { count: found.unreadable })} />
      )}
      {found && found.keysIgnored && <Alert type="info" showIcon title={text('query.keysIgnored')} />}
      {found && <Answers found={found.items} busy={fetching.busy} fetchThem={(uids) => void fetchThem(uids)} />}
    </>
  )
}
