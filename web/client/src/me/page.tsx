/** My own: language, password, where I am signed in. */

import { App, Button, Radio } from 'antd'
import { useAction } from '../api/action'
import { remove } from '../api/client'
import { setLanguage, useLanguage, useText, type Language } from '../language'
import { PasswordForm } from '../session/password'
import { usePerson, useSession } from '../session/session'

export default function MePage() {
  const text = useText()
  const language = useLanguage()
  const person = usePerson()
  const { end, again } = useSession()
  const { busy, run } = useAction()
  const { message } = App.useApp()
  const endOthers = async () => {
    if (await run(() => remove('/api/sessions'))) void message.success(text('me.othersEnded'))
  }
  return (
    <div className="page narrow">
      <h1>{person.name}</h1>
      <p className="quiet">
        {text('me.account', {
          user: person.user,
          roles: person.roles.map((role) => text(`role.${role}`)).join(text('common.listMark')),
        })}
      </p>
      <section>
        <h2>{text('me.language')}</h2>
        <Radio.Group
          value={language}
          onChange={(event) => setLanguage(event.target.value as Language)}
          optionType="button"
          buttonStyle="solid"
          options={[
            { value: 'zh', label: text('language.zh') },
            { value: 'en', label: text('language.en') },
          ]}
          data-testid="me-language"
        />
      </section>
      <section>
        <h2>{text('password.title')}</h2>
        <PasswordForm
          done={() => {
            void message.success(text('password.changed'))
            again()
          }}
        />
      </section>
      <section>
        <h2>{text('me.sessions')}</h2>
        <p className="quiet">{text('me.sessionsHow')}</p>
        <div className="buttons">
          <Button onClick={() => void end()} data-testid="me-sign-out">
            {text('nav.signOut')}
          </Button>
          <Button onClick={() => void endOthers()} loading={busy} data-testid="me-end-others">
            {text('me.endOthers')}
          </Button>
        </div>
      </section>
    </div>
  )
}
