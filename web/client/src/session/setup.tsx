/** First start: the one-time link makes the first administrator. */

import { Button, Form, Input } from 'antd'
import { Navigate, useParams } from 'react-router'
import { useAction } from '../api/action'
import { post } from '../api/client'
import type { Me } from '../api/types'
import { useText } from '../language'
import { Card } from './card'
import { Waiting } from './guard'
import { NewPassword } from './new-password'
import { useSession } from './session'

interface Entered {
  user: string
  name: string
  password: string
}

export function SetupPage() {
  const text = useText()
  const { token = '' } = useParams()
  const { me, take } = useSession()
  const { busy, run } = useAction()
  const [form] = Form.useForm<Entered>()
  if (!me) return <Waiting />
  if (me.person) return <Navigate to="/" replace />
  const missing = [{ required: true, message: text('form.missing') }]
  const start = ({ user, name, password }: Entered) =>
    run(
      async () => take(await post<Me>('/api/setup', { token, user, name, password })),
      (error) => {
        const name = error.details.field
        if (typeof name !== 'string' || !['user', 'name', 'password'].includes(name)) return false
        form.setFields([{ name: name as keyof Entered, errors: [error.message] }])
        return true
      },
    )
  return (
    <Card title={text('setup.title')}>
      <p>{text('setup.how')}</p>
      <Form<Entered> form={form} layout="vertical" onFinish={start} requiredMark={false} disabled={busy}>
        <Form.Item name="user" label={text('login.user')} rules={missing}>
          <Input autoComplete="username" autoFocus data-testid="setup-user" />
        </Form.Item>
        <Form.Item name="name" label={text('users.name')} rules={missing}>
          <Input autoComplete="name" data-testid="setup-name" />
        </Form.Item>
        <NewPassword />
        <Button type="primary" htmlType="submit" block size="large" loading={busy} data-testid="setup-submit">
          {text('setup.submit')}
        </Button>
      </Form>
    </Card>
  )
}
