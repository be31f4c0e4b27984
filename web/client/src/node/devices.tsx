/** Devices that called here: admit one with its issuer and department, or block it. */

import { Button, Form, Input, Modal } from 'antd'
import { useState } from 'react'
import { useAction } from '../api/action'
import type { Device } from '../api/administration'
import { post } from '../api/client'
import { about, useResource } from '../api/resource'
import { useText } from '../language'
import { useSession } from '../session/session'
import { Mark, type Shape, type Tone } from '../shown/mark'
import { Moment } from '../shown/moment'
import { Listed } from './listed'

const RULES: Record<Device['rule'], [Shape, Tone]> = {
  unknown: ['triangle', 'warn'],
  admitted: ['disc', 'good'],
  blocked: ['cross', 'quiet'],
}

export function Devices() {
  const text = useText()
  const devices = useResource<{ items: Device[] }>('/api/devices', about('device'))
  const [admitting, setAdmitting] = useState<Device | null>(null)
  const { busy, run } = useAction()
  const block = async ({ calling, address }: Device) => {
    if (await run(() => post('/api/devices/block', { calling, address }))) devices.reload()
  }
  return (
    <>
      <p className="quiet">{text('devices.how')}</p>
      <Listed
        label={text('tab.devices')}
        resource={devices}
        keyOf={(device) => `${device.calling} ${device.address}`}
        testIdOf={(device) => `device-${device.calling}`}
        toneOf={(device) => (device.rule === 'unknown' ? 'urgent' : '')}
        empty={text('devices.none')}
        headings={[
          { key: 'calling', title: text('devices.calling'), className: 'code', show: (device) => device.calling },
          { key: 'address', title: text('devices.address'), className: 'code', show: (device) => device.address },
          { key: 'called', title: text('devices.called'), className: 'code wide', show: (device) => device.called },
          { key: 'rule', title: text('column.state'), show: (device) => <RuleMark device={device} /> },
          { key: 'issuer', title: text('column.issuer'), show: (device) => device.issuer || '–' },
          { key: 'department', title: text('column.department'), show: (device) => device.department || '–' },
          { key: 'last', title: text('devices.lastSeen'), className: 'wide', show: (device) => <Moment at={device.lastAt} /> },
          { key: 'refusals', title: text('devices.refusals'), className: 'number', show: (device) => device.refusals },
          {
            key: 'act',
            title: text('column.action'),
            show: (device) => (
              <span className="buttons">
                <Button
                  size="small"
                  type={device.rule === 'unknown' ? 'primary' : 'default'}
                  onClick={() => setAdmitting(device)}
                  data-testid="device-admit"
                >
                  {text(device.rule === 'admitted' ? 'devices.change' : 'devices.admit')}
                </Button>
                {device.rule !== 'blocked' && (
                  <Button size="small" disabled={busy} onClick={() => void block(device)} data-testid="device-block">
                    {text('devices.block')}
                  </Button>
                )}
              </span>
            ),
          },
        ]}
      />
      <AdmitDialog key={admitting?.calling} device={admitting} close={() => setAdmitting(null)} done={devices.reload} />
    </>
  )
}

function RuleMark({ device }: { device: Device }) {
  const text = useText()
  const [shape, tone] = RULES[device.rule]
  return (
    <Mark shape={shape} tone={tone} testId="device-rule">
      {text(`rule.${device.rule}`)}
    </Mark>
  )
}

interface AdmitDialogProps {
  device: Device | null
  close: () => void
  done: () => void
}

function AdmitDialog({ device, close, done }: AdmitDialogProps) {
  const text = useText()
  const { me } = useSession()
  const [form] = Form.useForm<{ issuer: string; department: string }>()
  const { busy, run } = useAction()
  const admit = async (given: { issuer: string; department?: string }) => {
    if (!device) return
    const { calling, address } = device
    const body = { calling, address, issuer: given.issuer, department: given.department ?? '' }
    if (!(await run(() => post('/api/devices/admit', body)))) return
    close()
    done()
  }
  return (
    <Modal
      open={device !== null}
      title={text('devices.admitTitle', { name: device?.calling ?? '' })}
      onCancel={close}
      onOk={() => form.submit()}
      okText={text('devices.admit')}
      cancelText={text('common.cancel')}
      confirmLoading={busy}
      okButtonProps={{ 'data-testid': 'admit-confirm' }}
    >
      <p>{text('devices.admitHow')}</p>
      <Form
        form={form}
        layout="vertical"
        onFinish={admit}
        requiredMark={false}
        initialValues={{ issuer: device?.issuer || me?.node.id, department: device?.department }}
      >
        <Form.Item
          name="issuer"
          label={text('column.issuer')}
          extra={text('devices.issuerHow')}
          rules={[{ required: true, message: text('form.missing') }]}
        >
          <Input data-testid="admit-issuer" />
        </Form.Item>
        <Form.Item name="department" label={text('column.department')}>
          <Input data-testid="admit-department" />
        </Form.Item>
      </Form>
    </Modal>
  )
}
