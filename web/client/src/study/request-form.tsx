/** Ask a pool about a study: everything an invitation must say, each mistake at its field. */

import { Alert, Button, Checkbox, Drawer, Form } from 'antd'
import { useState } from 'react'
import { useAction } from '../api/action'
import { post, type ApiError } from '../api/client'
import type { Study } from '../api/types'
import { useLanguage, useText } from '../language'
import { personName } from '../shown/patient'
import { RequestFields } from './request-fields'

interface RequestFormProps {
  study: Study
  open: boolean
  close: () => void
  done: () => void
}

export function RequestForm({ study, open, close, done }: RequestFormProps) {
  const text = useText()
  const language = useLanguage()
  const [form] = Form.useForm<Record<string, unknown>>()
  const { busy, run } = useAction()
  const incomplete = study.state !== 'complete'
  const [refused, setRefused] = useState(false)
  const [acknowledged, setAcknowledged] = useState(false)

  const refusedHere = (error: ApiError): boolean => {
    if (error.code === 'incomplete') {
      setRefused(true)
      return true
    }
    const { field } = error.details
    if (error.status !== 422 || typeof field !== 'string') return false
    const name = field.split('.')
    const known = form.getFieldInstance(name) !== undefined || form.getFieldsError([name]).length > 0
    if (!known) return false
    form.setFields([{ name, errors: [error.message] }])
    form.scrollToField(name, { behavior: 'smooth', block: 'center' })
    return true
  }
  const send = async (filled: Record<string, unknown>) => {
    const { origin, studyUid } = study
    const body = { ...filled, origin, studyUid, acknowledgeIncomplete: acknowledged }
    if (!(await run(() => post('/api/consults', body), refusedHere))) return
    form.resetFields()
    close()
    done()
  }

  return (
    <Drawer
      open={open}
      onClose={close}
      size={560}
      title={text('request.title', { name: personName(study.patientName, language) || text('patient.noName') })}
      footer={
        <div className="drawer-foot">
          <Button onClick={close}>{text('common.cancel')}</Button>
          <Button
            type="primary"
            size="large"
            onClick={() => form.submit()}
            loading={busy}
            disabled={(incomplete || refused) && !acknowledged}
            data-testid="request-submit"
          >
            {text('request.send')}
          </Button>
        </div>
      }
    >
      {(incomplete || refused) && (
        <Alert
          type="warning"
          showIcon
          data-testid="request-incomplete"
          title={text('request.incomplete')}
          description={
            <>
              <p>
                {study.expected === null
                  ? text('request.incompleteCount', { count: study.instances })
                  : text('request.incompleteOf', { instances: study.instances, expected: study.expected })}
              </p>
              <Checkbox
                checked={acknowledged}
                onChange={(event) => setAcknowledged(event.target.checked)}
                data-testid="request-acknowledge"
              >
                {text('request.acknowledge')}
              </Checkbox>
            </>
          }
        />
      )}
      <Form form={form} layout="vertical" onFinish={send} disabled={busy} scrollToFirstError requiredMark={false}>
        <RequestFields form={form} />
      </Form>
    </Drawer>
  )
}
