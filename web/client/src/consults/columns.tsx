/** What a line of the consult list says. */

import { Button } from 'antd'
import { useMemo } from 'react'
import type { Case } from '../api/types'
import { useLanguage, useText } from '../language'
import type { Column } from '../lists/table'
import { Deadline, Moment } from '../shown/moment'
import { ageWord, personName, sexWord } from '../shown/patient'
import { CaseMark, UrgencyMark } from '../shown/states'
import { now } from '../shown/now'
import { clock } from '../shown/times'
import type { Claim } from './claim'

const OPEN_STATES = ['requested', 'offered', 'claimed']

export function useColumns(box: string, claim: Claim): Column<Case>[] {
  const text = useText()
  const language = useLanguage()
  const { take, busy } = claim
  return useMemo(() => {
    const columns: Column<Case>[] = [
      { key: 'urgency', title: text('column.urgency'), show: (item) => <UrgencyMark urgency={item.urgency} /> },
      {
        key: 'due',
        title: text('column.due'),
        className: 'tabular',
        show: (item) => <Deadline due={item.due} over={!OPEN_STATES.includes(item.state)} />,
      },
      { key: 'patient', title: text('column.patient'), className: 'lead', show: (item) => <Patient item={item} /> },
      {
        key: 'study',
        title: text('column.study'),
        show: (item) => (
          <>
            <b>{item.study?.modalities.join(' ')}</b> {item.study?.description || item.study?.bodyParts.join(' ')}
          </>
        ),
      },
      { key: 'kind', title: text('column.kind'), className: 'wide', show: (item) => text(`kind.${item.kind}`) },
      {
        key: 'from',
        title: text(box === 'sent' ? 'column.pool' : 'column.clinic'),
        show: (item) => (box === 'sent' ? item.poolName || item.pool : item.clinicName || item.clinic),
      },
      {
        key: 'state',
        title: text('column.state'),
        show: (item) => (
          <>
            <CaseMark state={item.state} cancelling={item.cancelling} />
            {item.claim && item.state === 'claimed' && (
              <span className="quiet" data-testid="claim-holder">
                {' '}
                {item.claim.until === null
                  ? item.claim.name
                  : text('claim.until', { name: item.claim.name, time: clock(item.claim.until, now(), language) })}
              </span>
            )}
          </>
        ),
      },
      { key: 'at', title: text('column.requested'), className: 'wide', show: (item) => <Moment at={item.requestedAt} /> },
    ]
    if (box === 'queue')
      columns.push({
        key: 'claim',
        title: text('column.action'),
        show: (item) =>
          item.state === 'claimed' && !item.claim?.mine ? null : (
            <Button
              size="small"
              type="primary"
              ghost
              disabled={busy}
              onClick={() => take(item)}
              aria-label={text('claim.label', { clinic: item.clinicName, name: personName(item.study?.patientName ?? '', language) })}
              data-testid="claim"
            >
              {text('claim.take')}
            </Button>
          ),
      })
    return columns
  }, [text, language, box, take, busy])
}

function Patient({ item }: { item: Case }) {
  const text = useText()
  const language = useLanguage()
  if (!item.study) return <span className="quiet">{text('case.studyNotHere')}</span>
  const { patientName, sex, age, birthDate, studyDate } = item.study
  return (
    <>
      {personName(patientName, language) || text('patient.noName')}
      <span className="quiet">
        {' '}
        {sexWord(sex, text)} {ageWord(age, birthDate, studyDate, text)}
      </span>
    </>
  )
}
