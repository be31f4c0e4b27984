/** One peer: is the link up, how far behind is it, what does it get from us? */

import { Alert, Button } from 'antd'
import { useState } from 'react'
import type { Peer } from '../api/administration'
import { useLanguage, useText } from '../language'
import { Mark, type Shape, type Tone } from '../shown/mark'
import { Moment } from '../shown/moment'
import { useNow } from '../shown/now'
import { duration } from '../shown/times'
import { PolicyDialog } from './policy'
import type { Key } from '../catalogue'

const LINKS: Record<string, [Key, Shape, Tone]> = {
  connected: ['link.connected', 'disc', 'good'],
  away: ['link.away', 'half', 'warn'],
  down: ['link.down', 'triangle', 'bad'],
  unacknowledged: ['link.unacknowledged', 'triangle', 'warn'],
}

export function PeerCard({ peer, reload }: { peer: Peer; reload: () => void }) {
  const text = useText()
  const [editing, setEditing] = useState(false)
  const [key, shape, tone] = LINKS[peer.state] ?? (['link.unknown', 'ring', 'quiet'] as const)
  const list = (names: string[]) => (names.length > 0 ? names.join(text('common.listMark')) : text('policy.all'))
  return (
    <article className="card peer" data-testid={`peer-${peer.id}`}>
      <header>
        <b>{peer.name}</b>
        <span className="code quiet">{peer.id}</span>
        <Mark shape={shape} tone={tone} testId="link-state">
          {text(key)}
        </Mark>
        {peer.lastOk > 0 && (
          <span className="quiet">
            {text('link.lastOk')} <Moment at={peer.lastOk} />
          </span>
        )}
      </header>
      <p className="lag" data-testid="peer-lag">
        <Lag peer={peer} />
      </p>
      {peer.error && (
        <Alert type="warning" showIcon title={text('link.lastError')} description={peer.error} data-testid="peer-error" />
      )}
      <dl className="facts">
        <div>
          <dt>{text('policy.title')}</dt>
          <dd data-testid="peer-policy">{text(`grant.${peer.policy.grant}`)}</dd>
        </div>
        <div>
          <dt>{text('policy.modalities')}</dt>
          <dd>{list(peer.policy.modalities)}</dd>
        </div>
        <div>
          <dt>{text('policy.departments')}</dt>
          <dd>{list(peer.policy.departments)}</dd>
        </div>
        <div className="whole">
          <dt>{text('alliance.fingerprint')}</dt>
          <dd className="code">{peer.fingerprint}</dd>
        </div>
      </dl>
      <Button onClick={() => setEditing(true)} data-testid="policy-edit">
        {text('policy.edit')}
      </Button>
      <PolicyDialog peer={peer} open={editing} close={() => setEditing(false)} done={reload} />
    </article>
  )
}

/** "2 studies behind, oldest 40 s, next try in 8 s". */
function Lag({ peer }: { peer: Peer }) {
  const text = useText()
  const language = useLanguage()
  const now = useNow(1)
  const { envelopes, studies, oldestAt } = peer.waiting
  const parts: string[] = []
  if (studies > 0) parts.push(text('lag.studies', { count: studies }))
  else if (envelopes > 0) parts.push(text('lag.messages', { count: envelopes }))
  else parts.push(text('lag.none'))
  if (oldestAt && envelopes + studies > 0) parts.push(text('lag.oldest', { age: duration(now - oldestAt, language) }))
  if (peer.nextTry > now) parts.push(text('lag.nextTry', { time: duration(peer.nextTry - now, language) }))
  return parts.join(text('lag.mark'))
}
