/** A rule of admission with all that it may say, and a try before it is saved. */

import { Checkbox, Collapse, Form, Input, InputNumber, Modal, Radio, Select } from 'antd'
import { useAction } from '../api/action'
import type { Device } from '../api/administration'
import { post, type ApiError } from '../api/client'
import { useText } from '../language'
import { useSession } from '../session/session'
import { ANY, READS, bodyOf, fieldsOf, wrongField, type RuleFields } from './rules'
import { TryRules } from './try-rules'

interface RuleDialogProps {
  edited: Device | 'new' | null
  called: string[]
  families: string[]
  close: () => void
  done: () => void
}

export function RuleDialog({ edited, called, families, close, done }: RuleDialogProps) {
  const text = useText()
  const { me } = useSession()
  const [form] = Form.useForm<RuleFields>()
  const { busy, run } = useAction()
  const opened = edited === 'new' ? null : edited
  const admitted = Form.useWatch('admitted', form) ?? opened?.rule !== 'blocked'
  const initial = fieldsOf(opened, me?.node.id ?? '')
  const kind = Form.useWatch('certificateKind', form) ?? initial.certificateKind
  const required = [{ required: true, message: text('form.missing') }]
  // Fields that are hidden keep their value: a rule that is blocked for a day says the same afterwards.
  const body = () => bodyOf({ ...initial, ...(form.getFieldsValue(true) as RuleFields) }, opened)
  const wrong = (error: ApiError) => {
    const found = wrongField(error)
    if (!found || !form.getFieldInstance(found.field)) return false
    form.setFields([{ name: found.field as keyof RuleFields, errors: [text(found.words)] }])
    form.scrollToField(found.field)
    return true
  }
  const draft = () =>
    form.validateFields().then(
      () => body(),
      () => null,
    )
  const save = async () => {
    if (!(await run(() => post('/api/devices/rule', body()), wrong))) return
    close()
    done()
  }
  return (
    <Modal
      open={edited !== null}
      width={680}
      title={text(opened ? 'rules.editTitle' : 'rules.add')}
      onCancel={close}
      onOk={() => form.submit()}
      okText={text('common.save')}
      cancelText={text('common.cancel')}
      confirmLoading={busy}
      okButtonProps={{ 'data-testid': 'rule-save' }}
      destroyOnHidden
    >
      <Form<RuleFields> form={form} name="rule" layout="vertical" requiredMark={false} onFinish={save} initialValues={initial}>
        <h3>{text('rules.whom')}</h3>
        <div className="rule-fields">
          <Form.Item name="calling" label={text('devices.calling')} extra={text('rules.anyHow')} rules={required}>
            <Input data-testid="rule-calling" />
          </Form.Item>
          <Form.Item name="address" label={text('rules.address')} extra={text('rules.addressHow')} rules={required}>
            <Input data-testid="rule-address" />
          </Form.Item>
          <Form.Item name="called" label={text('devices.called')}>
            <Select
              options={[{ value: ANY, label: text('rules.anyCalled') }, ...called.map((value) => ({ value, label: value }))]}
              data-testid="rule-called"
            />
          </Form.Item>
          <Form.Item name="certificateKind" label={text('rules.certificate')}>
            <Select
              options={[
                { value: 'any', label: text('certificate.any') },
                { value: 'some', label: text('certificate.some') },
                { value: 'one', label: text('certificate.one') },
              ]}
              data-testid="rule-certificate-kind"
            />
          </Form.Item>
          {kind === 'one' && (
            <Form.Item name="certificate" label={text('rules.digest')} className="whole" rules={required}>
              <Input className="code" data-testid="rule-certificate" />
            </Form.Item>
          )}
        </div>
        <h3>{text('rules.what')}</h3>
        <Form.Item name="admitted">
          <Radio.Group>
            <Radio value={true} data-testid="rule-admit">
              {text('devices.admit')}
            </Radio>
            <Radio value={false} data-testid="rule-block">
              {text('devices.block')}
            </Radio>
          </Radio.Group>
        </Form.Item>
        {admitted && <Admitting families={families} />}
      </Form>
      <Collapse
        ghost
        items={[
          {
            key: 'try',
            label: text('try.title'),
            children: <TryRules called={called[0] ?? ''} draft={draft} wrong={wrong} />,
          },
        ]}
      />
    </Modal>
  )
}

function Admitting({ families }: { families: string[] }) {
  const text = useText()
  const options = [{ value: ANY, label: text('rules.allClasses') }, ...families.map((value) => ({ value, label: value }))]
  return (
    <div className="rule-fields">
      <Form.Item name="issuer" label={text('column.issuer')} extra={text('devices.issuerHow')}>
        <Input data-testid="rule-issuer" />
      </Form.Item>
      <Form.Item name="department" label={text('column.department')}>
        <Input data-testid="rule-department" />
      </Form.Item>
      <Form.Item name="trustIssuer" valuePropName="checked" className="whole">
        <Checkbox data-testid="rule-trust">{text('rules.trustIssuer')}</Checkbox>
      </Form.Item>
      <Form.Item name="classes" label={text('rules.classes')} extra={text('rules.classesHow')} className="whole">
        <Select mode="tags" tokenSeparators={[' ', ',', '，', '、']} options={options} data-testid="rule-classes" />
      </Form.Item>
      <Form.Item name="others" valuePropName="checked" className="whole">
        <Checkbox data-testid="rule-others">{text('rules.others')}</Checkbox>
      </Form.Item>
      <Form.Item name="atOnce" label={text('rules.atOnce')} extra={text('rules.atOnceHow')}>
        <InputNumber min={0} max={1000} precision={0} data-testid="rule-at-once" />
      </Form.Item>
      <Form.Item name="reads" label={text('rules.reads')} extra={text('rules.readsHow')}>
        <Select options={READS.map((value) => ({ value, label: text(`reads.${value}`) }))} data-testid="rule-reads" />
      </Form.Item>
    </div>
  )
}
