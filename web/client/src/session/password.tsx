/** Change the password: on one's own page, or before anything else after an administrator gave it. */

import { Alert, Button, Form, Input } from 'antd'
import { Navigate } from 'react-router'
import { useAction } from '../api/action'
import { post } from '../api/client'
import { useText } from '../language'
import { Card } from './card'
import { homeOf, Waiting } from './guard'
import { NewPassword } from './new-password'
import { useSession } from './session'

interface Entered {
  old: string
  password: string
}

export function PasswordForm({ done }: { done: () => void }) {
  const text = useText()
  const { busy, run } = useAction()
  const [form] = Form.useForm<Entered>()
  const change = async ({ old, password }: Entered) => {
    const changed = await run(
      () => post('/api/password', { old, new: password }),
      (error) => {
        const name = error.details.field === 'new' ? 'password' : 'old'
        if (error.status !== 422 && error.status !== 403) return false
        form.setFields([{ name, errors: [name === 'old' ? text('password.oldWrong') : error.message] }])
        return true
      },
    )
    if (!changed) return
    form.resetFields()
    done()
  }
  return (
    <Form<Entered> form={form} layout="vertical" onFinish={change} requiredMark={false} disabled={busy}>
      <Form.Item name="old" label={text('password.old')} rules={[{ required: true, message: text('form.missing') }]}>
        <Input.Password autoComplete="current-password" data-testid="password-old" />
      </Form.Item>
      <NewPassword />
      <Button type="primary" htmlType="submit" loading={busy} data-testid="password-submit">
        {text('password.submit')}
      </Button>
    </Form>
  )
}

/** The page of those who must. */
export function PasswordPage() {
  const text = useText()
  const { me, again } = useSession()
  if (!me) return <Waiting />
  if (!me.person) return <Navigate to="/login" replace />
  if (!me.person.mustChange) return <Navigate to={homeOf(me.person.roles)} replace />
  return (
    <Card title={text('password.title')}>
      <Alert type="info" showIcon title={text('password.must')} />
      <PasswordForm done={again} />
    </Card>
  )
}
