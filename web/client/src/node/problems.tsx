/** What was not taken, and why; seen ones stay below. */

import { Button } from 'antd'
import { useAction } from '../api/action'
import type { Problem } from '../api/administration'
import { post } from '../api/client'
import { useResource } from '../api/resource'
import { UnsettledNotice } from '../corrections/unsettled'
import { useText } from '../language'
import { Mark } from '../shown/mark'
import { Moment } from '../shown/moment'
import { Listed } from './listed'
import { problemHowKey, problemKey } from '../study/event-words'

export function Problems() {
  const text = useText()
  const problems = useResource<{ items: Problem[] }>('/api/problems', () => true)
  const { busy, run } = useAction()
  const see = async (id: string) => {
    if (await run(() => post(`/api/problems/${id}/seen`))) problems.reload()
  }
  return (
    <>
      <UnsettledNotice />
      <Listed
        label={text('tab.problems')}
        resource={problems}
        keyOf={(each) => each.id}
        testIdOf={(each) => `problem-${each.id}`}
        empty={text('problems.none')}
        headings={[
          {
            key: 'kind',
            title: text('problems.kind'),
            show: (each) => {
              const key = problemKey(each.kind)
              return (
                <Mark shape={each.seenAt ? 'ring' : 'triangle'} tone={each.seenAt ? 'quiet' : 'warn'}>
                  {key ? text(key) : each.kind}
                </Mark>
              )
            },
          },
          {
            key: 'detail',
            title: text('problems.detail'),
            className: 'prose',
            show: (each) => {
              const how = problemHowKey(each.kind)
              if (!how) return each.detail
              return (
                <>
                  <div>{text(how)}</div>
                  <div className="quiet" lang="en">
                    {each.detail}
                  </div>
                </>
              )
            },
          },
          { key: 'subject', title: text('problems.subject'), className: 'code wide', show: (each) => each.subject },
          { key: 'at', title: text('column.time'), show: (each) => <Moment at={each.at} /> },
          {
            key: 'act',
            title: text('column.action'),
            show: (each) =>
              each.seenAt ? (
                <span className="quiet">{text('problems.seen')}</span>
              ) : (
                <Button size="small" disabled={busy} onClick={() => void see(each.id)} data-testid="problem-seen">
                  {text('problems.markSeen')}
                </Button>
              ),
          },
        ]}
      />
    </>
  )
}
