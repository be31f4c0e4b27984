/** Devices that called here and the rules for them: admit, block, edit, remove, and try who would be let in. */

import { Button, Popconfirm } from 'antd'
import { useState } from 'react'
import { useAction } from '../api/action'
import type { Device, DeviceList } from '../api/administration'
import { post } from '../api/client'
import { about, useResource } from '../api/resource'
import { useText } from '../language'
import { Mark, type Shape, type Tone } from '../shown/mark'
import { Moment } from '../shown/moment'
import { AdmitDialog } from './admit-dialog'
import { Listed } from './listed'
import { RuleDialog } from './rule-dialog'
import { ANY, keyOf } from './rules'
import { TryRules } from './try-rules'

const RULES: Record<Device['rule'], [Shape, Tone]> = {
  unknown: ['triangle', 'warn'],
  admitted: ['disc', 'good'],
  blocked: ['cross', 'quiet'],
}

export function Devices() {
  const text = useText()
  const devices = useResource<DeviceList>('/api/devices', about('device'))
  const [admitting, setAdmitting] = useState<Device | null>(null)
  const [edited, setEdited] = useState<Device | 'new' | null>(null)
  const [trying, setTrying] = useState(false)
  const { value, reload } = devices
  const called = value?.called ?? []
  return (
    <>
      <div className="page-actions">
        <Button type="primary" onClick={() => setEdited('new')} data-testid="rule-add">
          {text('rules.add')}
        </Button>
        <Button onClick={() => setTrying(!trying)} aria-expanded={trying} data-testid="try-open">
          {text('try.title')}
        </Button>
        <span className="quiet">{text('devices.how')}</span>
      </div>
      {trying && <TryRules called={called[0] ?? ''} />}
      <Listed
        label={text('tab.devices')}
        resource={devices}
        keyOf={(device) => device.name}
        testIdOf={(device) => `device-${device.calling}`}
        toneOf={(device) => (device.rule === 'unknown' ? 'urgent' : '')}
        empty={text('devices.none')}
        headings={[
          { key: 'calling', title: text('devices.calling'), className: 'code', show: (device) => device.calling },
          { key: 'address', title: text('devices.address'), className: 'code', show: (device) => device.address },
          { key: 'asks', title: text('rules.asks'), show: (device) => <Asks device={device} /> },
          { key: 'rule', title: text('column.state'), show: (device) => <RuleMark device={device} /> },
          { key: 'takes', title: text('rules.takes'), show: (device) => <Takes device={device} /> },
          { key: 'issuer', title: text('column.issuer'), show: (device) => device.issuer || '–' },
          { key: 'department', title: text('column.department'), show: (device) => device.department || '–' },
          { key: 'last', title: text('devices.lastSeen'), className: 'wide', show: (device) => (device.lastAt ? <Moment at={device.lastAt} /> : '–') },
          { key: 'refusals', title: text('devices.refusals'), className: 'number', show: (device) => device.refusals },
          {
            key: 'act',
            title: text('column.action'),
            show: (device) => (
              <Buttons device={device} admit={() => setAdmitting(device)} edit={() => setEdited(device)} reload={reload} />
            ),
          },
        ]}
      />
      <AdmitDialog key={admitting?.name} device={admitting} close={() => setAdmitting(null)} done={reload} />
      <RuleDialog
        key={edited === null ? 'none' : edited === 'new' ? 'new' : `${edited.name} ${edited.version}`}
        edited={edited}
        called={called}
        families={value?.families ?? []}
        close={() => setEdited(null)}
        done={reload}
      />
    </>
  )
}

interface ButtonsProps {
  device: Device
  admit: () => void
  edit: () => void
  reload: () => void
}

function Buttons({ device, admit, edit, reload }: ButtonsProps) {
  const text = useText()
  const { busy, run } = useAction()
  const change = async (path: string) => {
    await run(() => post(path, { ...keyOf(device), version: device.version }))
    reload()
  }
  return (
    <span className="buttons">
      {device.rule !== 'admitted' && (
        <Button
          size="small"
          type={device.rule === 'unknown' ? 'primary' : 'default'}
          onClick={admit}
          data-testid="device-admit"
        >
          {text('devices.admit')}
        </Button>
      )}
      <Button size="small" onClick={edit} data-testid="device-edit">
        {text('common.edit')}
      </Button>
      {device.rule !== 'blocked' && (
        <Button size="small" disabled={busy} onClick={() => void change('/api/devices/block')} data-testid="device-block">
          {text('devices.block')}
        </Button>
      )}
      <Popconfirm
        title={text('rules.removeTitle')}
        description={text(device.rule === 'unknown' ? 'rules.forgetHow' : 'rules.removeHow')}
        okText={text('common.remove')}
        cancelText={text('common.cancel')}
        okButtonProps={{ 'data-testid': 'device-remove-confirm' }}
        onConfirm={() => void change('/api/devices/remove')}
      >
        <Button size="small" danger disabled={busy} data-testid="device-remove">
          {text('common.remove')}
        </Button>
      </Popconfirm>
    </span>
  )
}

/** What else a caller must bring; for one that waits, what it brought. */
function Asks({ device }: { device: Device }) {
  const text = useText()
  const { rule, certificate, forCalled, called, shown } = device
  if (rule === 'unknown') {
    const brought = [called, shown && `#${shown.slice(0, 12)}…`].filter(Boolean)
    return brought.length ? <span className="code">{brought.join(' ')}</span> : <Nothing />
  }
  const asked = [
    forCalled !== ANY && text('rules.asksCalled', { called: forCalled }),
    certificate === 'some' && text('certificate.some'),
    certificate.length === 64 && text('rules.asksDigest', { digest: certificate.slice(0, 12) }),
  ].filter(Boolean)
  return asked.length ? <>{asked.join(text('common.listMark'))}</> : <Nothing />
}

function Nothing() {
  return <span className="nothing">–</span>
}

function Takes({ device }: { device: Device }) {
  const text = useText()
  if (device.rule !== 'admitted') return <Nothing />
  const all = device.classes.includes(ANY)
  const named = all ? text(device.others ? 'rules.everything' : 'rules.allClasses') : device.classes.slice(0, 6).join(text('common.listMark'))
  const more = [
    !all && device.classes.length > 6 && text('rules.moreClasses', { count: device.classes.length - 6 }),
    all && !device.others && text('rules.noOthers'),
    !all && device.others && text('rules.andOthers'),
    device.reads !== 'nothing' && text('rules.mayRead'),
    device.atOnce > 0 && text('rules.limited', { count: device.atOnce }),
  ].filter(Boolean)
  return <>{[named, ...more].filter(Boolean).join(text('common.listMark'))}</>
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
