/** What holds for the whole node: how large the online tier may be, and how long the law keeps studies. */

import { Form, InputNumber } from 'antd'
import type { Limits } from '../api/storage'
import { useText } from '../language'
import { LEAST_YEARS, MOST_HOURS, MOST_PRIORS, MOST_YEARS } from './copy-rules'

const GIGABYTE = 1e9

export function LimitsForm({ limits, change }: { limits: Limits; change: (limits: Limits) => void }) {
  const text = useText()
  const set = (name: keyof Limits, factor = 1) => ({
    value: limits[name] / factor,
    onChange: (value: number | null) => {
      if (value !== null) change({ ...limits, [name]: Math.round(value * factor) })
    },
  })
  return (
    <Form layout="vertical" className="card dense" component="div">
      <div className="rule-fields">
        <Form.Item label={text('limits.online')} extra={text('limits.onlineHow')} htmlFor="limit-online">
          <InputNumber id="limit-online" min={0} suffix="GB" {...set('onlineBytes', GIGABYTE)} data-testid="limit-online" />
        </Form.Item>
        <Form.Item label={text('limits.reserve')} extra={text('limits.reserveHow')} htmlFor="limit-reserve">
          <InputNumber
            id="limit-reserve"
            min={0}
            max={Math.max(0, (limits.onlineBytes - 1) / GIGABYTE)}
            suffix="GB"
            {...set('reserveBytes', GIGABYTE)}
          />
        </Form.Item>
        <Form.Item label={text('limits.pressure')} extra={text('limits.pressureHow')} htmlFor="limit-pressure">
          <InputNumber id="limit-pressure" min={limits.relievedPercent} max={100} precision={0} suffix="%" {...set('pressurePercent')} />
        </Form.Item>
        <Form.Item label={text('limits.relieved')} extra={text('limits.relievedHow')} htmlFor="limit-relieved">
          <InputNumber id="limit-relieved" min={1} max={limits.pressurePercent} precision={0} suffix="%" {...set('relievedPercent')} />
        </Form.Item>
        <Form.Item label={text('limits.floor')} extra={text('limits.floorHow')} htmlFor="limit-floor">
          <InputNumber id="limit-floor" min={1} max={MOST_HOURS} precision={0} suffix={text('unit.hours')} {...set('floorHours')} />
        </Form.Item>
        <Form.Item label={text('limits.priors')} extra={text('limits.priorsHow')} htmlFor="limit-priors">
          <InputNumber id="limit-priors" min={0} max={MOST_PRIORS} precision={0} {...set('priors')} data-testid="limit-priors" />
        </Form.Item>
        <Form.Item label={text('limits.priorsBytes')} extra={text('limits.priorsBytesHow')} htmlFor="limit-priors-bytes">
          <InputNumber id="limit-priors-bytes" min={0} suffix="GB" {...set('priorsBytes', GIGABYTE)} />
        </Form.Item>
        <Form.Item label={text('limits.outpatient')} extra={text('limits.law', { years: LEAST_YEARS })} htmlFor="limit-outpatient">
          <InputNumber
            id="limit-outpatient"
            min={LEAST_YEARS}
            max={limits.inpatientYears}
            precision={0}
            suffix={text('unit.years')}
            {...set('outpatientYears')}
          />
        </Form.Item>
        <Form.Item label={text('limits.inpatient')} extra={text('limits.lawInpatient')} htmlFor="limit-inpatient">
          <InputNumber
            id="limit-inpatient"
            min={limits.outpatientYears}
            max={MOST_YEARS}
            precision={0}
            suffix={text('unit.years')}
            {...set('inpatientYears')}
          />
        </Form.Item>
      </div>
    </Form>
  )
}
