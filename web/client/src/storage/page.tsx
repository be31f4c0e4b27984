/** The two tiers: how much lies where and will, what is held, what is on its way back, what was checked, and by which rules. */

import { useEffect, useRef } from 'react'
import { NavLink, Navigate, useParams } from 'react-router'
import { useText } from '../language'
import { AlarmList } from './alarms'
import { Checks } from './checks'
import { DeletionTab } from './deletion'
import { Forecast } from './forecast'
import { Holds } from './holds'
import { Overview } from './overview'
import { Recalls } from './recalls'
import { Rules } from './rules'

const TABS = ['overview', 'forecast', 'holds', 'recalls', 'checks', 'rules', 'deletion'] as const
type Tab = (typeof TABS)[number]

const PAGES: Record<Tab, React.ReactNode> = {
  overview: <Overview />,
  forecast: <Forecast />,
  holds: <Holds />,
  recalls: <Recalls />,
  checks: <Checks />,
  rules: <Rules />,
  deletion: <DeletionTab />,
}

export default function StoragePage() {
  const text = useText()
  const { tab } = useParams()
  const active = TABS.find((each) => each === tab)
  const tabs = useRef<HTMLElement>(null)
  useEffect(() => {
    tabs.current?.querySelector('.active')?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [active])
  if (!active) return <Navigate to="/storage/overview" replace />
  return (
    <div className="page">
      <h1>{text('nav.storage')}</h1>
      <nav className="tabs" ref={tabs} aria-label={text('nav.storage')}>
        {TABS.map((each) => (
          <NavLink key={each} to={`/storage/${each}`} data-testid={`tab-${each}`}>
            {text(`storage.tab.${each}`)}
          </NavLink>
        ))}
      </nav>
      <AlarmList />
      {PAGES[active]}
    </div>
  )
}
