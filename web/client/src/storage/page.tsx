/** The two tiers: how much lies where, what is on its way back, and by which rules. */

import { NavLink, Navigate, useParams } from 'react-router'
import { useText } from '../language'
import { DeletionTab } from './deletion'
import { Overview } from './overview'
import { Recalls } from './recalls'
import { Rules } from './rules'

const TABS = ['overview', 'recalls', 'rules', 'deletion'] as const
type Tab = (typeof TABS)[number]

const PAGES: Record<Tab, React.ReactNode> = { overview: <Overview />, recalls: <Recalls />, rules: <Rules />, deletion: <DeletionTab /> }

export default function StoragePage() {
  const text = useText()
  const { tab } = useParams()
  const active = TABS.find((each) => each === tab)
  if (!active) return <Navigate to="/storage/overview" replace />
  return (
    <div className="page">
      <h1>{text('nav.storage')}</h1>
      <nav className="tabs" aria-label={text('nav.storage')}>
        {TABS.map((each) => (
          <NavLink key={each} to={`/storage/${each}`} data-testid={`tab-${each}`}>
            {text(`storage.tab.${each}`)}
          </NavLink>
        ))}
      </nav>
      {PAGES[active]}
    </div>
  )
}
