/** A password that is shown this once. */

import { Alert, Modal, Typography } from 'antd'
import type { OneTimePassword } from '../api/administration'
import { useText } from '../language'

interface OneTimeProps {
  given: OneTimePassword | null
  close: () => void
}

export function OneTime({ given, close }: OneTimeProps) {
  const text = useText()
  return (
    <Modal
      open={given !== null}
      title={text('users.oneTimeTitle', { name: given?.person.name ?? '' })}
      onOk={close}
      onCancel={close}
      mask={{ closable: false }}
      okText={text('users.oneTimeDone')}
      cancelButtonProps={{ hidden: true }}
      okButtonProps={{ 'data-testid': 'one-time-done' }}
    >
      <Alert type="warning" showIcon title={text('users.oneTimeHow')} />
      <dl className="facts">
        <div>
          <dt>{text('login.user')}</dt>
          <dd className="code">{given?.person.user}</dd>
        </div>
        <div>
          <dt>{text('login.password')}</dt>
          <dd>
            <Typography.Text copyable className="code big" data-testid="one-time-password">
              {given?.password}
            </Typography.Text>
          </dd>
        </div>
      </dl>
    </Modal>
  )
}
