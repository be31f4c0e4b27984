/** The two fields of a password that is being chosen. */

import { Form, Input } from 'antd'
import { useText } from '../language'

export const SHORTEST = 10

export function NewPassword() {
  const text = useText()
  return (
    <>
      <Form.Item
        name="password"
        label={text('password.new')}
        extra={text('password.rule', { count: SHORTEST })}
        rules={[{ required: true, min: SHORTEST, message: text('password.rule', { count: SHORTEST }) }]}
      >
        <Input.Password autoComplete="new-password" data-testid="password-new" />
      </Form.Item>
      <Form.Item
        name="repeated"
        label={text('password.repeat')}
        dependencies={['password']}
        rules={[
          ({ getFieldValue }) => ({
            validator: (_rule, value) =>
              value === getFieldValue('password')
                ? Promise.resolve()
                : Promise.reject(new Error(text('password.differs'))),
          }),
        ]}
      >
        <Input.Password autoComplete="new-password" data-testid="password-repeat" />
      </Form.Item>
    </>
  )
}
