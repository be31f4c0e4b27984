/** This node: what sends here, where reports go, what went wrong, who works here. */

import { Tabs } from 'antd'
import { useNavigate, useParams } from 'react-router'
import type { Key } from '../catalogue'
import { useText } from '../language'
import { Deliveries } from './deliveries'
import { Destinations } from './destinations'
import { Devices } from './devices'
import { Problems } from './problems'
import { Users } from './users'

const TABS = ['devices', 'destinations', 'deliveries', 'problems', 'users'] as const
type Tab = (typeof TABS)[number]

const PAGES: Record<Tab, React.ReactNode> = {
  devices: <Devices />,
  destinations: <Destinations />,
  deliveries: <Deliveries />,
  problems: <Problems />,
  users: <Users />,
}

export default function NodePage() {
  const text = useText()
  const navigate = useNavigate()
  const { tab } = useParams()
  const active: Tab = TABS.find((each) => each === tab) ?? 'devices'
  return (
    <div className="page">
      <h1>{text('nav.node')}</h1>
      <Tabs
        activeKey={active}
        onChange={(key) => void navigate(`/node/${key}`)}
        destroyOnHidden
        items={TABS.map((each) => ({
          key: each,
          label: <span data-testid={`tab-${each}`}>{text(`tab.${each}` as Key)}</span>,
          children: PAGES[each],
        }))}
      />
    </div>
  )
}
