/** All studies of which a rebuild could not know all corrections: which, and one confirmation for all of them. */

import { Alert, Button, Modal } from 'antd'
import { useState } from 'react'
import { useAction } from '../api/action'
import { post } from '../api/client'
import { about, useResource, type Resource } from '../api/resource'
import type { Study } from '../api/types'
import { useLanguage, useText } from '../language'
import { useRole } from '../session/session'
import { count } from '../shown/size'
import { Studies } from './studies'

interface Unsettled {
  /** Of all, whoever sees them. */
  studies: number
  /** The newest that one sees. */
  items: Study[]
}

const useUnsettled = () => useResource<Unsettled>('/api/unsettled', about('study'))

/** For technicians, who look at each; nothing while there is none. */
export function UnsettledStudies() {
  const text = useText()
  const language = useLanguage()
  const unsettled = useUnsettled()
  const administrator = useRole('administrator')
  if (!unsettled.value?.studies) return null
  const { studies, items } = unsettled.value
  return (
    <section className="spaced" data-testid="unsettled-studies">
      <h2>{text('unsettled.title', { shown: count(studies, language) })}</h2>
      <p className="quiet">{text('study.correctionsUnknownHow')}</p>
      {administrator && (
        <div>
          <SettleAll unsettled={unsettled} studies={studies} />
        </div>
      )}
      {items.length > 0 && <Studies studies={items} id="unsettled" to="" />}
      {studies > items.length && <p className="quiet">{text('unsettled.more', { shown: count(studies - items.length, language) })}</p>}
    </section>
  )
}

/** For administrators, who may see no study: how many there are. */
export function UnsettledNotice() {
  const text = useText()
  const language = useLanguage()
  const unsettled = useUnsettled()
  if (!unsettled.value?.studies) return null
  const { studies } = unsettled.value
  return (
    <Alert
      type="warning"
      showIcon
      className="notice"
      data-testid="unsettled-notice"
      title={text('unsettled.title', { shown: count(studies, language) })}
      description={text('study.correctionsUnknownHow')}
      action={<SettleAll unsettled={unsettled} studies={studies} />}
    />
  )
}

function SettleAll({ unsettled, studies }: { unsettled: Pick<Resource<Unsettled>, 'reload'>; studies: number }) {
  const text = useText()
  const language = useLanguage()
  const { busy, run } = useAction()
  /** What she is asked about; a number that changes meanwhile does not change the question. */
  const [asked, setAsked] = useState<number | null>(null)
  const [left, setLeft] = useState<number | null>(null)
  const settle = async (told: number) => {
    await run(async () => {
      let rest = told
      while (rest > 0) {
        const done = await post<{ studies: number; left: number }>('/api/unsettled', { studies: rest })
        rest = Math.min(done.left, rest - done.studies) // never more than she said yes to
        setLeft(rest)
      }
    })
    setAsked(null)
    setLeft(null)
    unsettled.reload()
  }
  const values = { count: asked ?? studies, shown: count(asked ?? studies, language) }
  return (
    <>
      <Button onClick={() => setAsked(studies)} data-testid="settle-all">
        {text('unsettled.settle')}
      </Button>
      <Modal
        open={asked !== null}
        title={text('unsettled.ask', values)}
        onCancel={() => setAsked(null)}
        onOk={() => asked !== null && void settle(asked)}
        okText={text('unsettled.confirm', values)}
        cancelText={text('common.cancel')}
        confirmLoading={busy}
        okButtonProps={{ danger: true, 'data-testid': 'settle-all-confirm' }}
        cancelButtonProps={{ disabled: busy, 'data-testid': 'settle-all-cancel' }}
        closable={!busy}
        mask={{ closable: false }}
      >
        <div className="spaced" data-testid="settle-all-how">
          <p>{text('unsettled.means')}</p>
          <p>{text('unsettled.lost')}</p>
          <p>{text('unsettled.audit')}</p>
        </div>
        {left !== null && <p role="status">{text('unsettled.left', { shown: count(left, language) })}</p>}
      </Modal>
    </>
  )
}
