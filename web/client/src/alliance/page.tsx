/** The alliance: is anything stuck, and what do I do? One card per peer. */

import type { Alliance } from '../api/administration'
import { about, useResource } from '../api/resource'
import { useText } from '../language'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { PeerCard } from './peer'
import { useEffect } from 'react'

/** Links change without events: they are asked about as often as a person would look. */
const EVERY_MS = 3000

export default function AlliancePage() {
  const text = useText()
  const alliance = useResource<Alliance>('/api/alliance', about('peer', 'policy', 'roster', 'link'))
  const { reload, value, error } = alliance
  useEffect(() => {
    const timer = window.setInterval(() => {
      if (!document.hidden) reload()
    }, EVERY_MS)
    return () => window.clearInterval(timer)
  }, [reload])
  if (!value) return error ? <Failure error={error} again={reload} /> : <Waiting />
  const troubled = value.peers.filter((peer) => peer.error !== '').length
  return (
    <div className="page">
      <div className="page-head">
        <h1>{text('alliance.title')}</h1>
        <span className="quiet" data-testid="alliance-summary">
          {text(troubled > 0 ? 'alliance.troubled' : 'alliance.well', { count: troubled })}
        </span>
      </div>
      {error && <Failure error={error} again={reload} />}
      <dl className="facts">
        <div>
          <dt>{text('alliance.self')}</dt>
          <dd>
            {value.node.name} <span className="code quiet">{value.node.id}</span>
          </dd>
        </div>
        <div>
          <dt>{text('alliance.listen')}</dt>
          <dd className="code">{value.listen || text('alliance.dialsOut')}</dd>
        </div>
        {value.node.fingerprint && (
          <div>
            <dt>{text('alliance.fingerprint')}</dt>
            <dd className="code">{value.node.fingerprint}</dd>
          </div>
        )}
      </dl>
      {value.peers.length === 0 && <div className="empty">{text('alliance.none')}</div>}
      <div className="cards">
        {value.peers.map((peer) => (
          <PeerCard key={peer.id} peer={peer} reload={reload} />
        ))}
      </div>
    </div>
  )
}
