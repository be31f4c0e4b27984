/** Send this study, or series of it, to another AE; and what has gone and come before. */

import { Button, Checkbox, Form, Modal, Select } from 'antd'
import { useState } from 'react'
import { useAction } from '../api/action'
import { post } from '../api/client'
import type { RemoteName } from '../api/remote'
import { useResource } from '../api/resource'
import type { StudyPage } from '../api/types'
import { useText } from '../language'
import { TransferLine, useTransfers } from '../remotes/transfers'

export function Send({ page }: { page: StudyPage }) {
  const text = useText()
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button onClick={() => setOpen(true)} data-testid="send-open">
        {text('send.open')}
      </Button>
      {open && <SendDialog page={page} close={() => setOpen(false)} />}
    </>
  )
}

function SendDialog({ page, close }: { page: StudyPage; close: () => void }) {
  const text = useText()
  const { busy, run } = useAction()
  const names = useResource<{ items: RemoteName[] }>('/api/remote-names')
  const [remote, setRemote] = useState('')
  const [series, setSeries] = useState<string[] | null>(null)
  const remotes = names.value?.items.filter((each) => each.send) ?? []
  const to = remote || (remotes[0]?.id ?? '')
  const { origin, studyUid } = page.study
  const send = async () => {
    if (await run(() => post('/api/transfers/send', { origin, studyUid, remote: to, series: series ?? [] }))) close()
  }
  return (
    <Modal
      open
      title={text('send.title')}
      onCancel={close}
      onOk={() => void send()}
      okText={text('send.send')}
      cancelText={text('common.cancel')}
      confirmLoading={busy}
      okButtonProps={{ disabled: !to || series?.length === 0, 'data-testid': 'send-confirm' }}
    >
      <Form layout="vertical">
        {names.value && remotes.length === 0 ? (
          <p>{text('send.noRemotes')}</p>
        ) : (
          <Form.Item label={text('send.to')}>
            <Select
              value={to}
              onChange={setRemote}
              loading={!names.value}
              options={remotes.map((each) => ({ value: each.id, label: each.name }))}
              data-testid="send-remote"
            />
          </Form.Item>
        )}
        {page.series.length > 1 && (
          <Form.Item label={text('send.what')}>
            <Checkbox checked={series === null} onChange={(event) => setSeries(event.target.checked ? null : [])}>
              {text('send.all')}
            </Checkbox>
            {series !== null && (
              <Checkbox.Group
                value={series}
                onChange={setSeries}
                options={page.series.map((each) => ({
                  value: each.seriesUid,
                  label: [each.number, each.modality, each.description].filter(Boolean).join(' '),
                }))}
                className="series-choice"
              />
            )}
          </Form.Item>
        )}
      </Form>
    </Modal>
  )
}

/** What went of this study and came, newest first. */
export function StudyTransfers({ uid }: { uid: string }) {
  const text = useText()
  const transfers = useTransfers(`/api/transfers?study=${uid}`)
  const { value, reload } = transfers
  if (!value || value.items.length === 0) return null
  return (
    <section data-testid="study-transfers">
      <h2>{text('send.sent')}</h2>
      <div className="transfers">
        {value.items.map((each) => (
          <TransferLine key={each.id} transfer={each} now={value.now} reload={reload} />
        ))}
      </div>
    </section>
  )
}
