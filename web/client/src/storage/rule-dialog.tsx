/** A rule for copies with all that it may say; it counts when the list is saved. */

import { Checkbox, Form, Input, InputNumber, Modal, Radio, Select } from 'antd'
import type { CopyRule } from '../api/storage'
import { useText } from '../language'
import {
  fieldsOf, LEAST_YEARS, MOST_COPIES, MOST_HOURS, MOST_MONTHS, MOST_YEARS, ruleOf, wrongName, type RuleFields,
} from './copy-rules'

interface RuleDialogProps {
  /** What is edited; null while nothing is. */
  rule: CopyRule | null
  others: CopyRule[]
  choices: { modalities: string[]; departments: string[]; stores: number }
  close: () => void
  done: (rule: CopyRule) => void
}

export function RuleDialog({ rule, others, choices, close, done }: RuleDialogProps) {
  const text = useText()
  const [form] = Form.useForm<RuleFields>()
  const initial = rule ? fieldsOf(rule) : undefined
  return (
    <Modal
      open={rule !== null}
      width={860}
      title={text(rule?.name ? 'copyRules.editTitle' : 'copyRules.add')}
      onCancel={close}
      onOk={() => form.submit()}
      okText={text('copyRules.keep')}
      cancelText={text('common.cancel')}
      okButtonProps={{ 'data-testid': 'copy-rule-keep' }}
      destroyOnHidden
    >
      <Form<RuleFields>
        form={form}
        name="copy-rule"
        layout="vertical"
        className="dense"
        requiredMark={false}
        {...(initial ? { initialValues: initial } : {})}
        onFinish={() => done(ruleOf({ ...initial, ...(form.getFieldsValue(true) as RuleFields) }))}
      >
        <Form.Item
          name="name"
          label={text('copyRules.name')}
          rules={[
            {
              validator: async (_, value: string) => {
                const wrong = wrongName(value ?? '', others)
                if (wrong) throw new Error(text(wrong))
              },
            },
          ]}
        >
          <Input maxLength={60} data-testid="copy-rule-name" />
        </Form.Item>
        <Which choices={choices} />
        <What stores={choices.stores} />
      </Form>
    </Modal>
  )
}

function Which({ choices }: { choices: { modalities: string[]; departments: string[] } }) {
  const text = useText()
  const options = (values: string[]) => values.map((value) => ({ value, label: value }))
  const above = (low: keyof RuleFields) => [
    ({ getFieldValue }: { getFieldValue: (name: keyof RuleFields) => unknown }) => ({
      validator: async (_: unknown, high: number | null) => {
        if (high != null && high <= Number(getFieldValue(low) ?? 0)) throw new Error(text('copyRules.upperEnd'))
      },
    }),
  ]
  return (
    <>
      <h3>{text('copyRules.which')}</h3>
      <div className="rule-fields">
        <Form.Item name="modalities" label={text('query.modality')} extra={text('copyRules.emptyIsAll')}>
          <Select mode="tags" tokenSeparators={[' ', ',', '，', '、']} options={options(choices.modalities)} data-testid="copy-rule-modalities" />
        </Form.Item>
        <Form.Item name="departments" label={text('column.department')} extra={text('copyRules.emptyIsAll')}>
          <Select mode="tags" tokenSeparators={[',', '，', '、']} options={options(choices.departments)} data-testid="copy-rule-departments" />
        </Form.Item>
        <Form.Item name="olderThanMonths" label={text('copyRules.olderLabel')}>
          <InputNumber min={0} max={MOST_MONTHS} precision={0} suffix={text('unit.months')} data-testid="copy-rule-older" />
        </Form.Item>
        <Form.Item name="youngerThanMonths" label={text('copyRules.youngerLabel')} dependencies={['olderThanMonths']} rules={above('olderThanMonths')}>
          <InputNumber min={1} max={MOST_MONTHS} precision={0} suffix={text('unit.months')} data-testid="copy-rule-younger" />
        </Form.Item>
        <Form.Item name="atLeast" label={text('copyRules.atLeastLabel')}>
          <InputNumber min={0} suffix="MB" data-testid="copy-rule-at-least" />
        </Form.Item>
        <Form.Item name="lessThan" label={text('copyRules.lessThanLabel')} dependencies={['atLeast']} rules={above('atLeast')}>
          <InputNumber min={0} suffix="MB" data-testid="copy-rule-less-than" />
        </Form.Item>
      </div>
    </>
  )
}

function What({ stores }: { stores: number }) {
  const text = useText()
  const retention = Form.useWatch<RuleFields['retention'] | undefined>('retention')
  const required = [{ required: true, message: text('form.missing') }]
  return (
    <>
      <h3>{text('copyRules.what')}</h3>
      <div className="rule-fields">
        <Form.Item name="archiveAfterHours" label={text('copyRules.archiveLabel')} extra={text('copyRules.archiveHow')} rules={required}>
          <InputNumber min={0} max={MOST_HOURS} precision={0} suffix={text('unit.hours')} data-testid="copy-rule-archive" />
        </Form.Item>
        <Form.Item name="expireAfterMonths" label={text('copyRules.onlineLabel')} extra={text('copyRules.onlineHow')} rules={required}>
          <InputNumber min={1} max={MOST_MONTHS} precision={0} suffix={text('unit.months')} data-testid="copy-rule-online" />
        </Form.Item>
        <Form.Item name="copies" label={text('copyRules.copiesLabel')} extra={text('copyRules.copiesHow', { stores })} rules={required}>
          <InputNumber min={1} max={MOST_COPIES} precision={0} data-testid="copy-rule-copies" />
        </Form.Item>
        <Form.Item name="profile" label={text('copyRules.profileLabel')}>
          <Select
            options={(['small', 'fast'] as const).map((value) => ({ value, label: text(`profile.${value}`) }))}
            data-testid="copy-rule-profile"
          />
        </Form.Item>
        <Form.Item name="retention" label={text('copyRules.retentionLabel')} extra={text('copyRules.retentionHow')} className="whole">
          <Radio.Group>
            {(['care', 'years', 'legal'] as const).map((value) => (
              <Radio key={value} value={value} data-testid={`copy-rule-retention-${value}`}>
                {text(`retention.${value}`)}
              </Radio>
            ))}
          </Radio.Group>
        </Form.Item>
        {retention === 'years' && (
          <Form.Item name="years" label={text('copyRules.yearsLabel')} extra={text('copyRules.yearsHow', { years: LEAST_YEARS })} rules={required}>
            <InputNumber min={LEAST_YEARS} max={MOST_YEARS} precision={0} suffix={text('unit.years')} data-testid="copy-rule-years" />
          </Form.Item>
        )}
        <Form.Item name="deletes" valuePropName="checked" className="whole">
          <Checkbox data-testid="copy-rule-deletes">{text('copyRules.deletesLabel')}</Checkbox>
        </Form.Item>
      </div>
    </>
  )
}
