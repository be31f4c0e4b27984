/** Sign in; at a node without accounts, say how the first one is made. */

import { Alert, Button, Form, Input } from 'antd'
import { useState } from 'react'
import { Navigate, useLocation } from 'react-router'
import { ApiError, post } from '../api/client'
import type { Me } from '../api/types'
import { useText } from '../language'
import { useErrorText } from '../shown/failure'
import { Card } from './card'
import { homeOf, Waiting } from './guard'
import { useSession } from './session'

interface Entered {
  user: string
  password: string
}

export function LoginPage() {
  const text = useText()
  const errorText = useErrorText()
  const { me, take } = useSession()
  const location = useLocation()
  const [error, setError] = useState<ApiError | null>(null)
  const [busy, setBusy] = useState(false)

  if (!me) return <Waiting />
  if (me.person) {
    const from = (location.state as { from?: string } | null)?.from
    return <Navigate to={me.person.mustChange ? '/password' : (from ?? homeOf(me.person.roles))} replace />
  }
  const signIn = (entered: Entered) => {
    setBusy(true)
    post<Me>('/api/session', entered).then(take, (cause: unknown) => {
      setBusy(false)
      setError(cause instanceof ApiError ? cause : null)
    })
  }
  const words = error && errorText(error)
  const wrong = error?.status === 401 || error?.status === 403
  return (
    <Card title={text('login.title')}>
      {me.setup && <Alert type="info" showIcon title={text('login.first')} description={text('login.firstHow')} />}
      {words && (
        <Alert
          type="error"
          showIcon
          data-testid="login-error"
          title={wrong ? text('login.wrong') : words.title}
          description={wrong ? text('login.wrongHow') : words.detail || undefined}
        />
      )}
      <Form<Entered> layout="vertical" onFinish={signIn} requiredMark={false} disabled={busy}>
        <Form.Item name="user" label={text('login.user')} rules={[{ required: true, message: text('form.missing') }]}>
          <Input autoComplete="username" autoFocus data-testid="login-user" />
        </Form.Item>
        <Form.Item
          name="password"
          label={text('login.password')}
          rules={[{ required: true, message: text('form.missing') }]}
        >
          <Input.Password autoComplete="current-password" data-testid="login-password" />
        </Form.Item>
        <Button type="primary" htmlType="submit" block size="large" loading={busy} data-testid="login-submit">
          {text('login.submit')}
        </Button>
      </Form>
    </Card>
  )
}
