/** Whom studies are held for: by reason, and each hold with who and until when. */

import { Button } from 'antd'
import type { Held, HeldPage } from '../api/watch'
import { useLanguage, useText } from '../language'
import { Listed } from '../node/listed'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { Moment } from '../shown/moment'
import { byteSize, count } from '../shown/size'
import { Figure } from './figure'
import { NamedStudy } from './named'
import { usePaged } from './paged'
import { holdWord } from './reason-words'

const keyOf = (each: Held) => [each.reason, each.origin, each.studyUid, each.who].join('\t')

export function Holds() {
  const text = useText()
  const language = useLanguage()
  const paged = usePaged<Held, HeldPage>('/api/archive/holds', keyOf)
  const { value, error, reload } = paged
  if (!value) return error ? <Failure error={error} again={reload} /> : <Waiting />
  if (value.items.length === 0) {
    return (
      <div className="empty" data-testid="holds-empty">
        {text('holds.none')}
      </div>
    )
  }
  return (
    <>
      {error && <Failure error={error} again={reload} />}
      <section>
        <p className="quiet above">{text('holds.how')}</p>
        <ul className="reasons held" data-testid="holds-reasons">
          {value.reasons.map((each) => (
            <li key={each.reason} data-testid={`held-${each.reason}`}>
              <b>{holdWord({ ...each, who: '', until: null }, text)}</b>
              <span className="tabular">{text('storage.studies', { count: each.studies, shown: count(each.studies, language) })}</span>
              <span>
                <span className="tabular">{byteSize(each.bytes, language)}</span>{' '}
                <span className="quiet">{text(each.keepsOnline ? 'holds.online' : 'holds.copy')}</span>
              </span>
            </li>
          ))}
        </ul>
      </section>
      <section>
        <Listed
          label={text('storage.tab.holds')}
          resource={{ ...paged, value: { items: paged.items } }}
          keyOf={keyOf}
          testIdOf={(each) => `hold-${each.studyUid}`}
          empty={text('holds.none')}
          headings={[
            { key: 'study', title: text('column.study'), className: 'lead', show: (each) => <NamedStudy study={each} /> },
            { key: 'reason', title: text('reason.label'), show: (each) => holdWord(each, text) },
            { key: 'who', title: text('holds.who'), show: (each) => <span className="code">{each.who}</span> },
            {
              key: 'until',
              title: text('holds.until'),
              show: (each) => (each.until === null ? text('storage.holdOpen') : <Moment at={each.until} />),
            },
            {
              key: 'size',
              title: text('storage.size'),
              className: 'number',
              show: (each) => <Figure title={text('storage.size')}>{byteSize(each.bytes, language)}</Figure>,
            },
          ]}
        />
        {paged.more && (
          <Button className="more" onClick={paged.more} loading={paged.busy}>
            {text('list.more')}
          </Button>
        )}
      </section>
    </>
  )
}
