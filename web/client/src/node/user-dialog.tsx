/** Add a person, or change roles and pools. */

import { Checkbox, Form, Input, Modal, Select } from 'antd'
import type { OneTimePassword, User } from '../api/administration'
import { useAction } from '../api/action'
import { post } from '../api/client'
import { useResource } from '../api/resource'
import type { Pool, Role } from '../api/types'
import { useText } from '../language'
import { useSession } from '../session/session'

const ROLES: Role[] = ['technician', 'expert', 'administrator']

interface Fields {
  user: string
  name: string
  roles: Role[]
  pools: string[]
}

interface UserDialogProps {
  edited: User | 'new' | null
  close: () => void
  give: (given: OneTimePassword) => void
  done: () => void
}

export function UserDialog({ edited, close, give, done }: UserDialogProps) {
  const text = useText()
  const { me } = useSession()
  const [form] = Form.useForm<Fields>()
  const roles = Form.useWatch('roles', form)
  const { busy, run } = useAction()
  const pools = useResource<{ items: Pool[] }>(edited ? '/api/pools' : null)
  const known = edited !== 'new' && edited !== null ? edited : null
  const own = pools.value?.items.filter((pool) => pool.home === me?.node.id) ?? []
  const required = [{ required: true, message: text('form.missing') }]

  const save = async ({ user, name, roles: chosen, pools: wanted = [] }: Fields) => {
    const saved = await run(
      async () => {
        let id = known?.id
        if (known) await post(`/api/users/${known.id}/roles`, { roles: chosen })
        else {
          const given = await post<OneTimePassword>('/api/users', { user, name, roles: chosen })
          id = given.person.id
          give(given)
        }
        if (known || wanted.length > 0) await post(`/api/users/${id}/pools`, { pools: wanted })
      },
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
  return (
    <Modal
      open={edited !== null}
      title={known ? text('users.editTitle', { name: known.name }) : text('users.add')}
      onCancel={close}
      onOk={() => form.submit()}
      okText={text('common.save')}
      cancelText={text('common.cancel')}
      confirmLoading={busy}
      okButtonProps={{ 'data-testid': 'user-save' }}
    >
      <Form<Fields>
        form={form}
        layout="vertical"
        requiredMark={false}
        onFinish={save}
        initialValues={known ?? { roles: ['technician'], pools: [] }}
      >
        <Form.Item name="user" label={text('login.user')} rules={required}>
          <Input disabled={known !== null} autoComplete="off" data-testid="user-user" />
        </Form.Item>
        <Form.Item name="name" label={text('users.name')} rules={required}>
          <Input disabled={known !== null} autoComplete="off" data-testid="user-name" />
        </Form.Item>
        <Form.Item
          name="roles"
          label={text('users.roles')}
          rules={[{ type: 'array', min: 1, message: text('form.missing') }]}
        >
          <Checkbox.Group>
            {ROLES.map((role) => (
              <Checkbox key={role} value={role} data-testid={`role-${role}`}>
                {text(`role.${role}`)}
              </Checkbox>
            ))}
          </Checkbox.Group>
        </Form.Item>
        {roles?.includes('expert') && (
          <Form.Item name="pools" label={text('users.pools')} extra={text('users.poolsHow')}>
            <Select
              mode="multiple"
              options={own.map((pool) => ({ value: pool.id, label: pool.name || pool.id }))}
              notFoundContent={text('users.noPools')}
              data-testid="user-pools"
            />
          </Form.Item>
        )}
      </Form>
    </Modal>
  )
}
