/** Where a study lies and why: its copies, who needs it, and bringing it back from the archive. */

import { Alert, Button } from 'antd'
import { Link } from 'react-router'
import { useAction } from '../api/action'
import { post } from '../api/client'
import type { Resource } from '../api/resource'
import type { Copy, Hold, Package, Place, StudyStorage } from '../api/storage'
import { useLanguage, useText } from '../language'
import { useRole, useSession } from '../session/session'
import { Failure } from '../shown/failure'
import { Mark, type Shape, type Tone } from '../shown/mark'
import { Moment } from '../shown/moment'
import { useNow } from '../shown/now'
import { byteSize } from '../shown/size'
import { holdWord, whySentence } from '../storage/reason-words'
import { useAskedAgain } from '../storage/asked-again'
import { isOpen, RecallLine } from '../storage/recalls'

const TIERS: Record<Place, { shape: Shape; tone: Tone }> = {
  online: { shape: 'disc', tone: 'busy' },
  both: { shape: 'disc', tone: 'good' },
  part: { shape: 'half', tone: 'quiet' },
  archived: { shape: 'square', tone: 'quiet' },
}
const COPIES: Record<Copy['state'], { shape: Shape; tone: Tone }> = {
  verified: { shape: 'disc', tone: 'good' },
  damaged: { shape: 'triangle', tone: 'bad' },
  gone: { shape: 'cross', tone: 'bad' },
}

interface StorageProps {
  address: string
  storage: Resource<StudyStorage>
}

export function Storage({ address, storage }: StorageProps) {
  const text = useText()
  const language = useLanguage()
  const { busy, run } = useAction()
  const { value, error, reload } = storage
  const open = value?.recalls.find(isOpen)
  const { me } = useSession()
  const administrator = useRole('administrator')
  const mayDelete = administrator && address.startsWith(`/api/studies/${me?.node.id}/`)
  useAskedAgain(reload, open !== undefined)
  if (!value) return error ? <Failure error={error} again={reload} /> : null
  const recall = async () => {
    if (await run(() => post(`${address}/recall`))) reload()
  }
  const isAway = value.tier === 'archived' || value.tier === 'part'
  const failed = value.recalls[0]?.state === 'failed' ? value.recalls[0] : null
  const [newest, ...older] = value.packages
  return (
    <section className="card storage" data-testid="storage">
      <header>
        <h2>{text('nav.storage')}</h2>
        <Mark {...TIERS[value.tier]} testId="storage-tier">
          {text(`tier.${value.tier}`)}
        </Mark>
        <span className="quiet tabular">
          {newest
            ? text('storage.sizes', { original: byteSize(value.bytes, language), packaged: byteSize(newest.bytes, language) })
            : byteSize(value.bytes, language)}
        </span>
        {isAway && !open && (
          <Button loading={busy} onClick={() => void recall()} data-testid="recall">
            {text('storage.recall')}
          </Button>
        )}
        {mayDelete && (
          <Link to={`/storage/deletion?study=${address.replace('/api/studies/', '')}`} className="button danger" data-testid="delete-for-good">
            {text('deletion.forGoodOpen')}
          </Link>
        )}
      </header>
      {value.tier === 'archived' && !open && <p>{text('storage.recallHow')}</p>}
      {open && <RecallLine ticket={open} />}
      {!open && failed && isAway && (
        <Alert type="error" showIcon title={text('storage.recallFailed')} description={failed.words} />
      )}
      <Why storage={value} />
      {newest && <PackageLine item={newest} />}
      {value.holds.length > 0 && <Holds holds={value.holds} />}
      {(older.length > 0 || value.recalls.some((each) => !isOpen(each))) && (
        <details>
          <summary data-testid="storage-more">{text('storage.earlier')}</summary>
          {older.map((each) => (
            <PackageLine key={each.generation} item={each} />
          ))}
          <div className="transfers">
            {value.recalls
              .filter((each) => !isOpen(each))
              .map((each) => (
                <RecallLine key={each.id} ticket={each} />
              ))}
          </div>
        </details>
      )}
    </section>
  )
}

function Why({ storage }: { storage: StudyStorage }) {
  const text = useText()
  const language = useLanguage()
  const now = useNow(60)
  const { decision } = storage
  if (!decision) return <p className="quiet">{text('storage.undecided')}</p>
  return (
    <p data-testid="storage-why">
      {whySentence(decision, text, language, now)}{' '}
      {decision.words && (
        <strong className="prose" data-testid="storage-not-done">
          {text('storage.notDone', { times: String(decision.failures) })} {decision.words}{' '}
        </strong>
      )}
      <span className="quiet">
        {decision.rule && decision.rule !== 'default' && text('storage.byRule', { rule: decision.rule })}
        {decision.nextAt !== null && (
          <>
            {' '}
            {text('storage.next')} <Moment at={decision.nextAt} />
          </>
        )}
      </span>
    </p>
  )
}

function PackageLine({ item }: { item: Package }) {
  const text = useText()
  const language = useLanguage()
  return (
    <div className="package" data-testid={`package-${item.generation}`}>
      <span>
        {text('storage.package', { generation: item.generation })}{' '}
        <span className="quiet">
          {text('images.count', { count: item.instances })} · {byteSize(item.bytes, language)} · <Moment at={item.at} short />
        </span>
      </span>
      <ul>
        {item.copies.map((copy) => (
          <li key={copy.store}>
            <Mark {...COPIES[copy.state]} testId={`copy-${copy.store}`}>
              {copy.store} {text(`copy.${copy.state}`)}
            </Mark>{' '}
            <span className="quiet">
              <Moment at={copy.verifiedAt} />
            </span>
          </li>
        ))}
      </ul>
    </div>
  )
}

function Holds({ holds }: { holds: Hold[] }) {
  const text = useText()
  return (
    <ul className="holds" data-testid="storage-holds">
      {holds.map((hold) => (
        <li key={`${hold.reason} ${hold.who}`}>
          <Mark shape="diamond" tone="warn">
            {text('storage.held', { hold: holdWord(hold, text) })}
          </Mark>{' '}
          <span className="quiet">
            <span className="code">{hold.who}</span>{' '}
            {hold.until === null ? (
              text('storage.holdOpen')
            ) : (
              <>
                {text('storage.holdUntil')} <Moment at={hold.until} />
              </>
            )}
          </span>
        </li>
      ))}
    </ul>
  )
}
