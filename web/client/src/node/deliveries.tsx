/** What was sent to the hospital's PACS, and what is stuck. */

import type { Delivery } from '../api/types'
import { about, useResource } from '../api/resource'
import { useText } from '../language'
import { Moment } from '../shown/moment'
import { DeliveryMark } from '../shown/states'
import { Retry } from '../study/reports'
import { Listed } from './listed'

export function Deliveries() {
  const text = useText()
  const deliveries = useResource<{ items: Delivery[] }>('/api/deliveries', about('delivery', 'report'))
  return (
    <Listed
      label={text('tab.deliveries')}
      resource={deliveries}
      keyOf={(each) => each.id}
      testIdOf={(each) => `delivery-${each.id}`}
      empty={text('deliveries.none')}
      headings={[
        { key: 'state', title: text('column.state'), show: (each) => <DeliveryMark state={each.state} /> },
        { key: 'what', title: text('delivery.what'), show: (each) => each.kind.toUpperCase() },
        { key: 'to', title: text('delivery.destination'), show: (each) => each.destinationName },
        { key: 'report', title: text('column.report'), className: 'code wide', show: (each) => each.reportId.slice(0, 13) },
        { key: 'attempts', title: text('delivery.attempts'), className: 'number', show: (each) => each.attempts },
        {
          key: 'when',
          title: text('column.time'),
          show: (each) =>
            each.deliveredAt ? (
              <Moment at={each.deliveredAt} />
            ) : each.state !== 'given-up' && each.nextAt > 0 ? (
              <>
                {text('delivery.next')} <Moment at={each.nextAt} />
              </>
            ) : (
              '–'
            ),
        },
        { key: 'error', title: text('delivery.lastError'), className: 'prose', show: (each) => each.lastError },
        { key: 'act', title: text('column.action'), show: (each) => <Retry delivery={each} reload={deliveries.reload} /> },
      ]}
    />
  )
}
