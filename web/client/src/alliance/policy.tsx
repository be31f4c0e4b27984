/** What a peer gets from this node: who decides it here, and what each choice means. */

import { Form, Modal, Radio, Select, Space } from 'antd'
import { useAction } from '../api/action'
import type { Peer, Policy } from '../api/administration'
import { put } from '../api/client'
import { useText } from '../language'

const GRANTS = ['nothing', 'referred', 'metadata', 'everything'] as const
const MODALITIES = ['CR', 'CT', 'DX', 'MG', 'MR', 'NM', 'PT', 'RF', 'US', 'XA']

interface PolicyDialogProps {
  peer: Peer
  open: boolean
  close: () => void
  done: () => void
}

export function PolicyDialog({ peer, open, close, done }: PolicyDialogProps) {
  const text = useText()
  const [form] = Form.useForm<Policy>()
  const { busy, run } = useAction()
  const save = async (policy: Policy) => {
    if (!(await run(() => put(`/api/alliance/${peer.id}/policy`, policy)))) return
    close()
    done()
  }
  return (
    <Modal
      open={open}
      title={text('policy.of', { name: peer.name })}
      onCancel={close}
      onOk={() => form.submit()}
      okText={text('common.save')}
      cancelText={text('common.cancel')}
      confirmLoading={busy}
      okButtonProps={{ 'data-testid': 'policy-save' }}
      destroyOnHidden
    >
      <Form<Policy> form={form} layout="vertical" initialValues={peer.policy} onFinish={save} preserve={false}>
        <Form.Item name="grant" label={text('policy.title')}>
          <Radio.Group>
            <Space orientation="vertical">
              {GRANTS.map((each) => (
                <Radio key={each} value={each} data-testid={`grant-${each}`}>
                  {text(`grant.${each}`)} <span className="quiet">{text(`grant.${each}How`)}</span>
                </Radio>
              ))}
            </Space>
          </Radio.Group>
        </Form.Item>
        <Form.Item name="modalities" label={text('policy.modalities')} extra={text('policy.emptyIsAll')}>
          <Select
            mode="tags"
            options={MODALITIES.map((value) => ({ value, label: value }))}
            data-testid="policy-modalities"
          />
        </Form.Item>
        <Form.Item name="departments" label={text('policy.departments')} extra={text('policy.emptyIsAll')}>
          <Select mode="tags" options={[]} notFoundContent={null} data-testid="policy-departments" />
        </Form.Item>
      </Form>
    </Modal>
  )
}
