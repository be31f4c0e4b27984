/** Whose earlier studies come back before they do: what the hospital's worklists said of the days to come. */

import { Button } from 'antd'
import { Link } from 'react-router'
import { useAction } from '../api/action'
import { post } from '../api/client'
import type { Look, Worklist, Worklists as Listed } from '../api/remote'
import { about, useResource } from '../api/resource'
import { useLanguage, useText } from '../language'
import { Failure } from '../shown/failure'
import { Mark } from '../shown/mark'
import { Moment } from '../shown/moment'
import { count } from '../shown/size'
import { clock, dayWord } from '../shown/times'
import { useAskedAgain } from './asked-again'

export function Worklists() {
  const text = useText()
  const language = useLanguage()
  const { value, error, reload } = useResource<Listed>('/api/worklists', about('remote'))
  useAskedAgain(reload, false)
  if (!value) return error ? <Failure error={error} again={reload} /> : null
  return (
    <section className="card worklists" data-testid="worklists">
      <h3>{text('worklists.title')}</h3>
      {value.items.length === 0 ? (
        <>
          <p className="quiet">{text('worklists.none')}</p>
          <Link to="/node/remotes">{text('worklists.toRemotes')}</Link>
        </>
      ) : (
        <>
          <p className="quiet">
            {value.nextAt === null
              ? text('worklists.never')
              : text('worklists.next', { time: clock(value.nextAt, value.now, language) })}
          </p>
          {value.items.map((each) => (
            <Line key={each.remote} worklist={each} reload={reload} />
          ))}
        </>
      )}
    </section>
  )
}

function Line({ worklist, reload }: { worklist: Worklist; reload: () => void }) {
  const text = useText()
  const { busy, run } = useAction()
  const ask = async () => {
    if (await run(() => post(`/api/worklists/${worklist.remote}/ask`))) reload()
  }
  return (
    <div className="worklist" data-testid="worklist">
      <header>
        <span className="strong">{worklist.name}</span>
        {worklist.enabled ? (
          <Button size="small" loading={busy} onClick={() => void ask()} data-testid="worklist-ask">
            {text('worklists.ask')}
          </Button>
        ) : (
          <span className="quiet">{text('worklists.off')}</span>
        )}
      </header>
      {worklist.looks.length === 0 && <p className="quiet">{text('worklists.notYet')}</p>}
      {worklist.looks.map((look) => (
        <Said key={look.day} look={look} />
      ))}
    </div>
  )
}

function Said({ look }: { look: Look }) {
  const text = useText()
  const language = useLanguage()
  const day = dayWord(Date.parse(`${look.day}T12:00:00`) * 1000, language)
  const failed = look.state === 'failed'
  const figures = {
    day,
    patients: count(look.patients, language),
    known: count(look.known, language),
    studies: count(look.studies, language),
  }
  return (
    <div className="worklist-look" data-testid={`look-${look.day}`}>
      <Mark shape={failed ? 'cross' : 'disc'} tone={failed ? 'bad' : 'good'}>
        {text(failed ? 'worklists.failed' : 'worklists.said', figures)}
      </Mark>
      <span className="quiet">
        <Moment at={look.at} />
      </span>
      {!look.whole && <span className="quiet">{text('worklists.cut')}</span>}
      {look.unreadable > 0 && <span className="quiet">{text('worklists.unreadable', { count: look.unreadable })}</span>}
      {!failed && look.patients > 0 && look.known === 0 && <p className="prose">{text('worklists.strangers')}</p>}
      {look.words && <p className="prose">{look.words}</p>}
    </div>
  )
}
