/** Who would be let in: a caller that might come, and what the rules would say; nothing is written. */

import { Button, Form, Input } from 'antd'
import { useState } from 'react'
import { useAction } from '../api/action'
import type { Verdict } from '../api/administration'
import { post, type ApiError } from '../api/client'
import { useText } from '../language'
import { Mark } from '../shown/mark'
import { wrongField } from './rules'

interface Asked {
  calling: string
  called?: string
  address: string
  certificate?: string
  sopClass?: string
}

interface TryRulesProps {
  called: string
  /** A rule being edited, as a body; null while its own fields are wrong. */
  draft?: () => Promise<object | null>
  /** Takes an error of the edited rule. */
  wrong?: (error: ApiError) => boolean
}

export function TryRules({ called, draft, wrong }: TryRulesProps) {
  const text = useText()
  const [form] = Form.useForm<Asked>()
  const { busy, run } = useAction()
  const [verdict, setVerdict] = useState<Verdict | null>(null)
  const ask = async (asked: Asked) => {
    setVerdict(null)
    const rule = draft ? await draft() : undefined
    if (rule === null) return
    await run(
      async () => setVerdict(await post<Verdict>('/api/devices/preview', { ...asked, draft: rule ?? null })),
      (error) => {
        const found = wrongField(error)
        if (!found) return false
        if (found.draft) return wrong?.(error) ?? false
        const field = found.field as keyof Asked
        form.setFields([{ name: field, errors: [text(field === 'address' ? 'try.oneAddress' : found.words)] }])
        return true
      },
    )
  }
  const required = [{ required: true, message: text('form.missing') }]
  return (
    <div className="try-rules" data-testid="try-rules">
      <p className="quiet">{text('try.how')}</p>
      <Form<Asked> form={form} name="try" layout="vertical" requiredMark={false} onFinish={ask}>
        <div className="rule-fields">
          <Form.Item name="calling" label={text('devices.calling')} rules={required}>
            <Input data-testid="try-calling" />
          </Form.Item>
          <Form.Item name="address" label={text('devices.address')} rules={required}>
            <Input data-testid="try-address" />
          </Form.Item>
          <Form.Item name="called" label={text('devices.called')}>
            <Input placeholder={called} data-testid="try-called" />
          </Form.Item>
          <Form.Item name="sopClass" label={text('rules.sopClass')}>
            <Input placeholder="1.2.840.10008.5.1.4.1.1.2" data-testid="try-class" />
          </Form.Item>
          <Form.Item name="certificate" label={text('rules.certificate')} className="whole">
            <Input placeholder={text('rules.digest')} data-testid="try-certificate" />
          </Form.Item>
        </div>
        <Button htmlType="submit" loading={busy} data-testid="try-ask">
          {text('try.ask')}
        </Button>
      </Form>
      {verdict && <Said verdict={verdict} />}
    </div>
  )
}

function Said({ verdict }: { verdict: Verdict }) {
  const text = useText()
  const { outcome, rule, version } = verdict
  const by = !rule ? text('try.byNone') : version ? text('try.by', { rule, version }) : text('try.byDraft', { rule })
  return (
    <p role="status" className="verdict" data-testid="try-verdict">
      <Mark shape={outcome === 'admitted' ? 'disc' : 'cross'} tone={outcome === 'admitted' ? 'good' : 'bad'}>
        {text(`verdict.${outcome}`)}
      </Mark>
      <span>{by}</span>
    </p>
  )
}
