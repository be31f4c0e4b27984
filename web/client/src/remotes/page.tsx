/** Another PACS: ask it, fetch from it, and watch what goes and comes. */

import { NavLink, Navigate, useParams } from 'react-router'
import { useText } from '../language'
import { Query } from './query'
import { TransferList } from './transfers'

const TABS = ['query', 'transfers'] as const
type Tab = (typeof TABS)[number]

const PAGES: Record<Tab, React.ReactNode> = { query: <Query />, transfers: <TransferList /> }

export default function RemotesPage() {
  const text = useText()
  const { tab } = useParams()
  const active = TABS.find((each) => each === tab)
  if (!active) return <Navigate to="/remotes/query" replace />
  return (
    <div className="page">
      <h1>{text('nav.remotes')}</h1>
      <nav className="tabs" aria-label={text('nav.remotes')}>
        {TABS.map((each) => (
          <NavLink key={each} to={`/remotes/${each}`} data-testid={`tab-${each}`}>
            {text(`remotes.tab.${each}`)}
          </NavLink>
        ))}
      </nav>
      <section>{PAGES[active]}</section>
    </div>
  )
}
