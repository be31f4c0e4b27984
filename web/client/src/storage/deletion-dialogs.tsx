/** Two dialogs of a final deletion: one administrator asks with a reason; another reads the same and types how many images go. */

import { Form, Input, InputNumber, Modal, Radio } from 'antd'
import { useAction } from '../api/action'
import { post } from '../api/client'
import { DELETIONS, REASONS, type Deletion, type NamedStudy } from '../api/deletion'
import { useText } from '../language'
import { useGoing, WhatGoes } from './going'
import { codeWord } from './deletion-words'

interface AskProps {
  study: Pick<NamedStudy, 'origin' | 'studyUid'> | null
  close: () => void
  done: () => void
}

export function AskDialog({ study, close, done }: AskProps) {
  const text = useText()
  const [form] = Form.useForm<{ code: string; words: string }>()
  const { busy, run } = useAction()
  const { going, error } = useGoing(study)
  const ask = async (given: { code: string; words: string }) => {
    const body = { origin: study?.origin, studyUid: study?.studyUid, ...given }
    if (!(await run(() => post(DELETIONS, body)))) return
    close()
    done()
  }
  return (
    <Modal
      open={study !== null}
      width={720}
      title={text('deletion.askTitle')}
      onCancel={close}
      onOk={() => form.submit()}
      okText={text('deletion.ask')}
      cancelText={text('common.cancel')}
      confirmLoading={busy}
      okButtonProps={{ danger: true, disabled: !going || going.barred !== '', 'data-testid': 'deletion-ask-confirm' }}
      destroyOnHidden
    >
      <WhatGoes going={going} error={error} />
      <p>{text('deletion.askHow')}</p>
      <Form form={form} layout="vertical" requiredMark={false} onFinish={ask} preserve={false}>
        <Form.Item name="code" label={text('deletion.reason')} rules={[{ required: true, message: text('form.missing') }]}>
          <Radio.Group
            vertical
            options={REASONS.filter((code) => code !== 'retention-over' || going?.over).map((code) => ({
              value: code,
              label: <span data-testid={`deletion-code-${code}`}>{codeWord(code, text)}</span>,
            }))}
          />
        </Form.Item>
        <Form.Item
          name="words"
          label={text('deletion.words')}
          extra={text('deletion.wordsHow')}
          rules={[{ required: true, whitespace: true, message: text('form.missing') }]}
        >
          <Input.TextArea rows={2} maxLength={1000} data-testid="deletion-words" />
        </Form.Item>
      </Form>
    </Modal>
  )
}

interface ApproveProps {
  deletion: Deletion | null
  close: () => void
  done: () => void
}

export function ApproveDialog({ deletion, close, done }: ApproveProps) {
  const text = useText()
  const [form] = Form.useForm<{ instances: number }>()
  const { busy, run } = useAction()
  const { going, error } = useGoing(deletion?.study ?? null)
  const approve = async (given: { instances: number }) => {
    if (!deletion || !(await run(() => post(`${DELETIONS}/${deletion.id}/approve`, given)))) return
    close()
    done()
  }
  return (
    <Modal
      open={deletion !== null}
      width={720}
      title={text('deletion.approveTitle')}
      onCancel={close}
      onOk={() => form.submit()}
      okText={text('deletion.approve')}
      cancelText={text('common.cancel')}
      confirmLoading={busy}
      okButtonProps={{ danger: true, disabled: !going || going.barred !== '', 'data-testid': 'deletion-approve-confirm' }}
      destroyOnHidden
    >
      <WhatGoes going={going} error={error} />
      {deletion && (
        <p className="prose">
          {text('deletion.askedBy', { who: deletion.askedBy, why: codeWord(deletion.code, text) })} {deletion.words}
        </p>
      )}
      <Form form={form} layout="vertical" requiredMark={false} onFinish={approve} preserve={false}>
        <Form.Item
          name="instances"
          label={text('deletion.type')}
          extra={text('deletion.typeHow')}
          rules={[
            { required: true, message: text('form.missing') },
            {
              validator: (_, value: number | null) =>
                value === null || value === deletion?.study.instances ? Promise.resolve() : Promise.reject(new Error(text('deletion.typeWrong'))),
            },
          ]}
        >
          <InputNumber min={0} precision={0} data-testid="deletion-instances" />
        </Form.Item>
      </Form>
    </Modal>
  )
}
