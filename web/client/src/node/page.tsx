/** This node: what sends here, whom it calls, what went wrong, who works here. */

import { NavLink, Navigate, useParams } from 'react-router'
import { useText } from '../language'
import { Deliveries } from './deliveries'
import { Devices } from './devices'
import { Problems } from './problems'
import { Remotes } from './remotes'
import { Users } from './users'

const TABS = ['devices', 'remotes', 'deliveries', 'problems', 'users'] as const
type Tab = (typeof TABS)[number]

const PAGES: Record<Tab, React.ReactNode> = {
  devices: <Devices />,
  remotes: <Remotes />,
  deliveries: <Deliveries />,
  problems: <Problems />,
  users: <Users />,
}

export default function NodePage() {
  const text = useText()
  const { tab } = useParams()
  const active = TABS.find((each) => each === tab)
  if (!active) return <Navigate to="/node/devices" replace />
  return (
    <div className="page">
      <h1>{text('nav.node')}</h1>
      <nav className="tabs" aria-label={text('nav.node')}>
        {TABS.map((each) => (
          <NavLink key={each} to={`/node/${each}`} data-testid={`tab-${each}`}>
            {text(`tab.${each}`)}
          </NavLink>
        ))}
      </nav>
      <section>{PAGES[active]}</section>
    </div>
  )
}
