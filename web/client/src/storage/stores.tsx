/** Each archive store: whether it answers, how much room it has, and how its copies are. */

import type { ReactNode } from 'react'
import type { Store } from '../api/storage'
import { useLanguage, useText } from '../language'
import { Listed } from '../node/listed'
import { Mark, type Shape, type Tone } from '../shown/mark'
import { Moment } from '../shown/moment'
import { byteSize, count } from '../shown/size'
import { Figure } from './figure'

type State = 'answers' | 'silent' | 'removed'

const LOOK: Record<State, { shape: Shape; tone: Tone }> = {
  answers: { shape: 'disc', tone: 'good' },
  silent: { shape: 'cross', tone: 'bad' },
  removed: { shape: 'ring', tone: 'quiet' },
}

export function Stores({ stores, copies }: { stores: Store[]; copies: number }) {
  const text = useText()
  const language = useLanguage()
  const figure = (key: 'room' | 'packages' | 'size' | 'damaged' | 'gone', show: (store: Store) => ReactNode) => {
    const title = text(`storage.${key}`)
    return { key, title, className: 'number', show: (store: Store) => <Figure title={title}>{show(store)}</Figure> }
  }
  const bytes = (value: number | null) => (value ? byteSize(value, language) : null)
  const number = (value: number) => (value > 0 ? count(value, language) : null)
  return (
    <>
      <p className="quiet above">{text('storage.copiesWanted', { count: copies })}</p>
      <Listed
        label={text('storage.stores')}
        resource={{ value: { items: stores }, error: null, reload: () => undefined }}
        keyOf={(store) => store.name}
        testIdOf={(store) => `store-${store.name}`}
        toneOf={(store) => (store.configured && !store.answers ? 'urgent' : '')}
        empty={text('storage.noStores')}
        headings={[
          { key: 'name', title: text('storage.store'), className: 'lead', show: (store) => <b className="nowrap">{store.name}</b> },
          { key: 'state', title: text('column.state'), show: (store) => <StoreState store={store} /> },
          figure('room', (store) => bytes(store.roomBytes)),
          figure('packages', (store) => number(store.verified)),
          figure('size', (store) => bytes(store.bytes)),
          figure('damaged', (store) => <Bad words={number(store.damaged)} />),
          figure('gone', (store) => <Bad words={number(store.gone)} />),
          {
            key: 'oldest',
            title: text('storage.oldest'),
            show: (store) => (
              <Figure title={text('storage.oldest')}>
                {store.oldestVerifiedAt !== null && <Moment at={store.oldestVerifiedAt} />}
              </Figure>
            ),
          },
        ]}
      />
    </>
  )
}

function StoreState({ store }: { store: Store }) {
  const text = useText()
  const state: State = store.answers ? 'answers' : store.configured ? 'silent' : 'removed'
  return (
    <span className="stacked">
      <Mark {...LOOK[state]} testId="store-state">
        {text(`store.${state}`)}
      </Mark>
      {store.words && <span className="quiet code">{store.words}</span>}
    </span>
  )
}

/** What should not be: in red where there is some. */
function Bad({ words }: { words: string | null }) {
  if (words === null) return <span className="quiet">0</span>
  return (
    <Mark shape="triangle" tone="bad">
      {words}
    </Mark>
  )
}
