/** The frame of every page but the reading room: where one can go, who one is, whether the page is fresh. */

import { Dropdown } from 'antd'
import { Suspense, useSyncExternalStore } from 'react'
import { NavLink, Outlet, useNavigate } from 'react-router'
import { feed } from '../api/live'
import type { Role } from '../api/types'
import type { Key } from '../catalogue'
import { useText } from '../language'
import { Waiting } from '../session/guard'
import { usePerson, useSession } from '../session/session'
import { LanguageSwitch } from './language-switch'
import { RecallNotice } from '../storage/recall-notice'
import { QueueCount } from './queue-count'

const PLACES: { to: string; label: Key; roles: Role[]; id: string }[] = [
  { to: '/studies', label: 'nav.studies', roles: ['technician', 'expert'], id: 'nav-studies' },
  { to: '/consults', label: 'nav.consults', roles: ['technician', 'expert'], id: 'nav-consults' },
  { to: '/remotes', label: 'nav.remotes', roles: ['technician'], id: 'nav-remotes' },
  { to: '/corrections', label: 'nav.corrections', roles: ['technician'], id: 'nav-corrections' },
  { to: '/alliance', label: 'nav.alliance', roles: ['administrator'], id: 'nav-alliance' },
  { to: '/storage', label: 'nav.storage', roles: ['administrator'], id: 'nav-storage' },
  { to: '/node', label: 'nav.node', roles: ['administrator'], id: 'nav-node' },
]

export function Shell() {
  const text = useText()
  const person = usePerson()
  const { me } = useSession()
  const connected = useSyncExternalStore(feed.subscribe, feed.connected)
  return (
    <div className="shell">
      <a className="skip" href="#content">
        {text('nav.skip')}
      </a>
      <header className="bar">
        <NavLink to="/" className="brand">
          <img src="/icon.svg" alt="" width="24" height="24" />
          <span className="brand-name" data-testid="node-name">
            {me?.node.name}
          </span>
        </NavLink>
        <nav aria-label={text('nav.places')}>
          {PLACES.filter((place) => place.roles.some((role) => person.roles.includes(role))).map((place) => (
            <NavLink key={place.to} to={place.to} data-testid={place.id}>
              {text(place.label)}
              {place.to === '/consults' && <QueueCount />}
            </NavLink>
          ))}
        </nav>
        <LanguageSwitch />
        <PersonMenu />
      </header>
      {!connected && (
        <div className="stale" role="status" data-testid="stale">
          {text('live.lost')}
        </div>
      )}
      <RecallNotice />
      <main id="content" tabIndex={-1}>
        <Suspense fallback={<Waiting />}>
          <Outlet />
        </Suspense>
      </main>
    </div>
  )
}

function PersonMenu() {
  const text = useText()
  const navigate = useNavigate()
  const person = usePerson()
  const { end } = useSession()
  return (
    <Dropdown
      trigger={['click']}
      menu={{
        items: [
          { key: 'me', label: text('nav.me') },
          { key: 'out', label: text('nav.signOut') },
        ],
        onClick: ({ key }) => void (key === 'me' ? navigate('/me') : end()),
      }}
    >
      <button type="button" className="person" data-testid="person-menu">
        {person.name}
      </button>
    </Dropdown>
  )
}
