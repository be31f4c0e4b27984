/** One step for a device that was seen: let it in with its issuer and department. */

import { Form, Input, Modal } from 'antd'
import { useAction } from '../api/action'
import type { Device } from '../api/administration'
import { post } from '../api/client'
import { useText } from '../language'
import { useSession } from '../session/session'
import { keyOf } from './rules'

interface AdmitDialogProps {
  device: Device | null
  close: () => void
  done: () => void
}

export function AdmitDialog({ device, close, done }: AdmitDialogProps) {
  const text = useText()
  const { me } = useSession()
  const [form] = Form.useForm<{ issuer: string; department: string }>()
  const { busy, run } = useAction()
  const admit = async (given: { issuer: string; department?: string }) => {
    if (!device) return
    const body = { ...keyOf(device), version: device.version, issuer: given.issuer, department: given.department ?? '' }
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
