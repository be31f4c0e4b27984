/** The fields of a consult request. */

import { Form, Input, Radio, Select, type FormInstance } from 'antd'
import { useEffect } from 'react'
import { useResource } from '../api/resource'
import type { Pool } from '../api/types'
import type { Key } from '../catalogue'
import { useText } from '../language'

const LONGEST = 4000
const LONGEST_NAME = 200
const CONSENTS = ['written', 'guardian', 'verbal-recorded'] as const

export function RequestFields({ form }: { form: FormInstance }) {
  const text = useText()
  const pools = useResource<{ items: Pool[] }>('/api/pools')
  const items = pools.value?.items ?? []
  const required = [{ required: true, whitespace: true, message: text('form.missing') }]
  const specialties = [...new Set(items.map((pool) => pool.specialty).filter(Boolean))]

  const only = items.length === 1 ? items[0] : undefined
  useEffect(() => {
    if (only) form.setFieldsValue({ pool: only.id, specialty: only.specialty })
  }, [form, only])

  const choosePool = (id: string) => {
    const pool = items.find((each) => each.id === id)
    if (pool?.specialty && !form.getFieldValue('specialty')) form.setFieldsValue({ specialty: pool.specialty })
  }
  const long = (name: string, label: Key, rows: number) => (
    <Form.Item name={name} label={text(label)} rules={required}>
      <Input.TextArea autoSize={{ minRows: rows, maxRows: 12 }} maxLength={LONGEST} data-testid={`field-${name}`} />
    </Form.Item>
  )
  return (
    <>
      <Form.Item name="kind" label={text('request.kind')} initialValue="diagnosis" extra={text('request.kindHow')}>
        <Radio.Group optionType="button" buttonStyle="solid" data-testid="field-kind">
          <Radio value="diagnosis" data-testid="kind-diagnosis">
            {text('kind.diagnosis')}
          </Radio>
          <Radio value="consultation" data-testid="kind-consultation">
            {text('kind.consultation')}
          </Radio>
        </Radio.Group>
      </Form.Item>
      <Form.Item name="urgency" label={text('request.urgency')} initialValue="routine">
        <Radio.Group optionType="button" buttonStyle="solid" data-testid="field-urgency">
          <Radio value="routine" data-testid="urgency-routine">
            {text('urgency.routine')}
          </Radio>
          <Radio value="emergency" data-testid="urgency-emergency">
            {text('urgency.emergency')}
          </Radio>
        </Radio.Group>
      </Form.Item>
      <Form.Item name="pool" label={text('request.pool')} rules={required}>
        <Select
          loading={pools.loading}
          onChange={choosePool}
          data-testid="field-pool"
          notFoundContent={text('request.noPools')}
          options={items.map((pool) => ({ value: pool.id, label: pool.name || pool.id, pool }))}
          optionRender={({ data }) => (
            <span data-testid={`pool-${data.pool.id}`}>
              {data.label} <span className="quiet">{data.pool.specialty}</span>
            </span>
          )}
        />
      </Form.Item>
      <Form.Item name="specialty" label={text('request.specialty')} rules={required}>
        <Input list="specialties" maxLength={LONGEST_NAME} data-testid="field-specialty" />
      </Form.Item>
      <datalist id="specialties">
        {specialties.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      {long('reason', 'request.reason', 2)}
      {long('aim', 'request.aim', 2)}
      {long('history', 'request.history', 3)}
      <Form.Item name="requestingDoctor" label={text('request.doctor')} rules={required}>
        <Input maxLength={LONGEST_NAME} data-testid="field-requestingDoctor" />
      </Form.Item>
      <fieldset>
        <legend>{text('request.consent')}</legend>
        <p className="quiet">{text('request.consentHow')}</p>
        <Form.Item name={['consent', 'who']} label={text('consent.who')} rules={required}>
          <Input maxLength={LONGEST_NAME} data-testid="field-consent.who" />
        </Form.Item>
        <Form.Item name={['consent', 'at']} label={text('consent.at')} rules={required}>
          <Input type="date" data-testid="field-consent.at" />
        </Form.Item>
        <Form.Item name={['consent', 'how']} label={text('consent.how')} initialValue="written">
          <Radio.Group data-testid="field-consent.how">
            {CONSENTS.map((each) => (
              <Radio key={each} value={each} data-testid={`consent-${each}`}>
                {text(`consent.${each}`)}
              </Radio>
            ))}
          </Radio.Group>
        </Form.Item>
      </fieldset>
    </>
  )
}
