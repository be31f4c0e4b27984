/** The consult queue: what is next, by when? One box at a time, by deadline. */

import { Segmented } from 'antd'
import { useEffect } from 'react'
import { about, useResource } from '../api/resource'
import type { Case, Role } from '../api/types'
import { useText } from '../language'
import { useAddressed } from '../lists/address'
import { Table } from '../lists/table'
import { Waiting } from '../session/guard'
import { usePerson } from '../session/session'
import { Failure } from '../shown/failure'
import { useColumns } from './columns'
import { useClaim } from './claim'

const BOXES = ['queue', 'mine', 'done', 'sent'] as const
type Box = (typeof BOXES)[number]
const FOR: Record<Box, Role> = { queue: 'expert', mine: 'expert', done: 'expert', sent: 'technician' }

export default function ConsultsPage() {
  const text = useText()
  const person = usePerson()
  const [wanted, setBox] = useAddressed('box')
  const boxes = BOXES.filter((each) => person.roles.includes(FOR[each]))
  const box: Box = boxes.find((each) => each === wanted) ?? boxes[0] ?? 'sent'
  useEffect(() => {
    if (wanted !== box) setBox(box)
  }, [wanted, box, setBox])

  const cases = useResource<{ items: Case[] }>(`/api/consults?box=${box}`, about('case', 'report'))
  const claim = useClaim(cases.reload)
  const columns = useColumns(box, claim)
  const items = [...(cases.value?.items ?? [])].sort(box === 'done' || box === 'sent' ? byNewest : byDeadline)

  return (
    <div className="page">
      <div className="page-head">
        <h1>{text('consults.title')}</h1>
        <Segmented
          value={box}
          onChange={(value) => setBox(String(value))}
          options={boxes.map((each) => ({
            value: each,
            label: <span data-testid={`box-${each}`}>{text(`box.${each}`)}</span>,
          }))}
        />
      </div>
      {claim.refused}
      {cases.error && <Failure error={cases.error} again={cases.reload} />}
      {cases.value === null ? (
        !cases.error && <Waiting />
      ) : (
        <Table
          label={text(`box.${box}`)}
          columns={columns}
          items={items}
          keyOf={(item) => item.caseId}
          reset={box}
          pageOf={(item) => pageOf(item, box)}
          testIdOf={(item) => `consult-row-${item.caseId}`}
          toneOf={(item) => (item.urgency === 'emergency' && box === 'queue' ? 'urgent' : '')}
          keysOf={(item) => (box === 'queue' ? [{ key: 'c', label: 'keys.claim', act: () => claim.take(item) }] : [])}
          empty={<p data-testid="consults-empty">{text(`empty.${box}`)}</p>}
        />
      )}
    </div>
  )
}

function pageOf(item: Case, box: Box): string {
  return box === 'sent' ? `/studies/${item.origin}/${item.studyUid}` : `/read/${item.caseId}`
}

/** Emergencies first, then whoever waits least. */
function byDeadline(a: Case, b: Case): number {
  const urgent = Number(b.urgency === 'emergency') - Number(a.urgency === 'emergency')
  return urgent || a.due - b.due
}

function byNewest(a: Case, b: Case): number {
  return b.requestedAt - a.requestedAt
}
