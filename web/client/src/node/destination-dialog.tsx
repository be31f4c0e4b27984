/** Name, AE, host and port of a destination. */

import { Form, Input, InputNumber, Modal, Switch } from 'antd'
import { useAction } from '../api/action'
import type { Destination } from '../api/administration'
import { post, put } from '../api/client'
import type { Key } from '../catalogue'
import { useText } from '../language'

type Fields = Omit<Destination, 'id' | 'version'>

interface DestinationDialogProps {
  edited: Destination | 'new' | null
  close: () => void
  done: () => void
}

/** Source: DICOM PS3.5 6.2 (AE: at most 16 characters, no backslash). */
const AE_TITLE = /^[^\\]{1,16}$/

export function DestinationDialog({ edited, close, done }: DestinationDialogProps) {
  const text = useText()
  const [form] = Form.useForm<Fields>()
  const { busy, run } = useAction()
  const known = edited !== 'new' && edited !== null ? edited : null
  const required = { required: true, message: text('form.missing') }
  const save = async (fields: Fields) => {
    const saved = await run(
      () => (known ? put(`/api/remotes/${known.id}`, { ...fields, version: known.version }) : post('/api/remotes', fields)),
      (error) => {
        const { field } = error.details
        if (error.status !== 422 || typeof field !== 'string' || !form.getFieldInstance(field)) return false
        form.setFields([{ name: field as keyof Fields, errors: [error.message] }])
        return true
      },
    )
    if (!saved) return
    form.resetFields()
    close()
    done()
  }
  const line = (name: keyof Fields, label: Key, rules: object[]) => (
    <Form.Item name={name} label={text(label)} rules={rules}>
      <Input data-testid={`destination-${name}`} />
    </Form.Item>
  )
  return (
    <Modal
      open={edited !== null}
      title={text(known ? 'destinations.editTitle' : 'destinations.add')}
      onCancel={close}
      onOk={() => form.submit()}
      okText={text('common.save')}
      cancelText={text('common.cancel')}
      confirmLoading={busy}
      okButtonProps={{ 'data-testid': 'destination-save' }}
    >
      <Form<Fields>
        form={form}
        layout="vertical"
        requiredMark={false}
        onFinish={save}
        initialValues={known ?? { enabled: true, port: 11112, reports: true }}
      >
        {line('name', 'column.name', [required])}
        {line('aet', 'dicom.aet', [required, { pattern: AE_TITLE, message: text('dicom.aetRule') }])}
        {line('host', 'dicom.host', [required])}
        <Form.Item name="port" label={text('dicom.port')} rules={[required]}>
          <InputNumber min={1} max={65535} precision={0} data-testid="destination-port" />
        </Form.Item>
        <Form.Item name="enabled" label={text('destinations.on')} valuePropName="checked">
          <Switch data-testid="destination-enabled" />
        </Form.Item>
      </Form>
    </Modal>
  )
}
