/** A remote AE: where it is, what it is for, and how it wants to be spoken to. */

import { Checkbox, Form, Input, InputNumber, Modal, Select, Switch } from 'antd'
import { useAction } from '../api/action'
import { post, put } from '../api/client'
import type { Remote } from '../api/remote'
import type { Key } from '../catalogue'
import { useText } from '../language'

type Fields = Omit<Remote, 'id' | 'version'>

interface RemoteDialogProps {
  edited: Remote | 'new' | null
  close: () => void
  done: () => void
}

/** Source: DICOM PS3.5 6.2 (AE: at most 16 characters, no backslash). */
const AE_TITLE = /^[^\\]{1,16}$/
/** DICOM's own terms, the same in every language. */
const CHARSETS = ['GB18030', 'GBK', 'ISO_IR 192', 'ISO_IR 100', 'ISO 2022 IR 58']
const WAYS = ['auto', 'get', 'move'] as const
const USES = ['query', 'send', 'reports', 'worklist'] as const
const NEW: Partial<Fields> = {
  enabled: true,
  port: 11112,
  tls: false,
  calling: '',
  charset: '',
  retrieveBy: 'auto',
  query: true,
  send: true,
  reports: false,
  worklist: false,
  issuer: '',
}

export function RemoteDialog({ edited, close, done }: RemoteDialogProps) {
  const text = useText()
  const [form] = Form.useForm<Fields>()
  const { busy, run } = useAction()
  const known = edited !== 'new' && edited !== null ? edited : null
  const required = { required: true, message: text('form.missing') }
  const worklist = Form.useWatch('worklist', form)
  const title = { pattern: AE_TITLE, message: text('dicom.aetRule') }
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
  const line = (name: keyof Fields, label: Key, rules: object[], hint?: Key) => (
    <Form.Item name={name} label={text(label)} rules={rules} extra={hint && text(hint)}>
      <Input data-testid={`remote-${name}`} />
    </Form.Item>
  )
  return (
    <Modal
      open={edited !== null}
      title={text(known ? 'remotes.editTitle' : 'remotes.add')}
      width={640}
      onCancel={close}
      onOk={() => form.submit()}
      okText={text('common.save')}
      cancelText={text('common.cancel')}
      confirmLoading={busy}
      okButtonProps={{ 'data-testid': 'remote-save' }}
    >
      <Form<Fields>
        form={form}
        layout="vertical"
        requiredMark={false}
        onFinish={save}
        initialValues={known ?? NEW}
        className="rule-fields"
      >
        {line('name', 'column.name', [required], 'remote.nameHow')}
        {line('aet', 'dicom.aet', [required, title])}
        {line('host', 'dicom.host', [required])}
        <Form.Item name="port" label={text('dicom.port')} rules={[required]}>
          <InputNumber min={1} max={65535} precision={0} data-testid="remote-port" />
        </Form.Item>
        <Form.Item label={text('remote.uses')} className="whole" extra={text('remote.usesHow')}>
          {USES.map((use) => (
            <Form.Item key={use} name={use} valuePropName="checked" noStyle>
              <Checkbox data-testid={`remote-${use}`}>{text(`remote.use.${use}`)}</Checkbox>
            </Form.Item>
          ))}
        </Form.Item>
        {worklist && line('issuer', 'column.issuer', [], 'remote.issuerHow')}
        <Form.Item name="charset" label={text('remote.charset')} extra={text('remote.charsetHow')}>
          <Select
            data-testid="remote-charset"
            options={[{ value: '', label: text('remote.charsetOwn') }, ...CHARSETS.map((value) => ({ value, label: value }))]}
          />
        </Form.Item>
        <Form.Item name="retrieveBy" label={text('remote.retrieveBy')} extra={text('remote.retrieveByHow')}>
          <Select
            data-testid="remote-retrieveBy"
            options={WAYS.map((value) => ({ value, label: text(`remote.by.${value}`) }))}
          />
        </Form.Item>
        {line('calling', 'remote.calling', [title], 'remote.callingHow')}
        <Form.Item name="tls" label={text('remote.tls')} valuePropName="checked" extra={text('remote.tlsHow')}>
          <Switch data-testid="remote-tls" />
        </Form.Item>
        <Form.Item name="enabled" label={text('remotes.on')} valuePropName="checked">
          <Switch data-testid="remote-enabled" />
        </Form.Item>
      </Form>
    </Modal>
  )
}
