/** Who works here: accounts, roles, pools; a disabled one is out at once. */

import { Button } from 'antd'
import { useState } from 'react'
import type { OneTimePassword, User } from '../api/administration'
import { useAction } from '../api/action'
import { post } from '../api/client'
import { about, useResource } from '../api/resource'
import { useText } from '../language'
import { usePerson } from '../session/session'
import { Mark } from '../shown/mark'
import { Listed } from './listed'
import { OneTime } from './one-time'
import { UserDialog } from './user-dialog'

export function Users() {
  const text = useText()
  const users = useResource<{ items: User[] }>('/api/users', about('person'))
  const [edited, setEdited] = useState<User | 'new' | null>(null)
  const [given, setGiven] = useState<OneTimePassword | null>(null)
  return (
    <>
      <div className="page-actions">
        <Button type="primary" onClick={() => setEdited('new')} data-testid="user-add">
          {text('users.add')}
        </Button>
      </div>
      <Listed
        label={text('tab.users')}
        resource={users}
        keyOf={(user) => user.id}
        testIdOf={(user) => `user-${user.user}`}
        empty={text('users.none')}
        headings={[
          { key: 'user', title: text('login.user'), className: 'code', show: (user) => user.user },
          { key: 'name', title: text('users.name'), show: (user) => user.name },
          {
            key: 'roles',
            title: text('users.roles'),
            show: (user) => user.roles.map((role) => text(`role.${role}`)).join(text('common.listMark')),
          },
          {
            key: 'pools',
            title: text('users.pools'),
            className: 'code wide',
            show: (user) => user.pools?.join(' ') || '–',
          },
          {
            key: 'state',
            title: text('column.state'),
            show: (user) => (
              <Mark
                shape={user.state === 'active' ? 'disc' : 'cross'}
                tone={user.state === 'active' ? 'good' : 'quiet'}
                testId="user-state"
              >
                {text(`users.${user.state}`)}
              </Mark>
            ),
          },
          {
            key: 'act',
            title: text('column.action'),
            show: (user) => <Buttons user={user} edit={() => setEdited(user)} give={setGiven} reload={users.reload} />,
          },
        ]}
      />
      <UserDialog
        key={edited === 'new' || edited === null ? 'new' : edited.id}
        edited={edited}
        close={() => setEdited(null)}
        give={setGiven}
        done={users.reload}
      />
      <OneTime given={given} close={() => setGiven(null)} />
    </>
  )
}

interface ButtonsProps {
  user: User
  edit: () => void
  give: (given: OneTimePassword) => void
  reload: () => void
}

function Buttons({ user, edit, give, reload }: ButtonsProps) {
  const text = useText()
  const person = usePerson()
  const { busy, run } = useAction()
  const active = user.state === 'active'
  const own = user.id === person.id
  const toggle = async () => {
    if (await run(() => post(`/api/users/${user.id}/${active ? 'disable' : 'enable'}`))) reload()
  }
  const reset = async () => {
    if (await run(async () => give(await post<OneTimePassword>(`/api/users/${user.id}/reset`)))) reload()
  }
  return (
    <span className="buttons">
      <Button size="small" onClick={edit} data-testid="user-edit">
        {text('common.edit')}
      </Button>
      <Button size="small" disabled={busy || own} onClick={() => void reset()} data-testid="user-reset">
        {text('users.reset')}
      </Button>
      <Button
        size="small"
        danger={active}
        disabled={busy || own}
        onClick={() => void toggle()}
        data-testid={active ? 'user-disable' : 'user-enable'}
      >
        {text(active ? 'common.disable' : 'common.enable')}
      </Button>
    </span>
  )
}
