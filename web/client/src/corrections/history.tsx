/** Corrections that were made: what, why, by whom; and taking one back. */

import { Button } from 'antd'
import { useState } from 'react'
import { Link } from 'react-router'
import { useLanguage, useText, type Language, type Text } from '../language'
import { personName } from '../shown/patient'
import { Moment } from '../shown/moment'
import { CorrectDialog } from './correct-dialog'
import { undoKey, undoProposal } from './proposals'
import type { Correction } from './types'

interface HistoryProps {
  items: Correction[]
  done: () => void
  /** On the page of one study: without links to it. */
  here?: boolean
}

export function History({ items, done, here = false }: HistoryProps) {
  const text = useText()
  const language = useLanguage()
  const [undone, setUndone] = useState<Correction | null>(null)
  const proposal = undone && undoProposal(undone, text)
  if (items.length === 0) return <p className="quiet">{text('history.none')}</p>
  return (
    <>
      <ul className="history" data-testid="corrections-history">
        {items.map((each) => (
          <li key={each.id} className={each.undoneAt === null ? '' : 'undone'} data-testid={`correction-${each.id}`}>
            <div>
              <b>{text(`kind.${each.kind}`)}</b>
              <span>{about(each, text, language)}</span>
              {!here && each.studyUid && (
                <Link to={`/studies/${each.origin}/${each.studyUid}/corrections`}>{text('history.study')}</Link>
              )}
              {!each.studyUid && each.undoneAt === null && (
                <span className="quiet">{text('history.studies', { count: each.studies })}</span>
              )}
            </div>
            <div className="quiet">
              <Moment at={each.at} /> {each.by} {each.reason && text('history.reason', { reason: each.reason })}
            </div>
            {each.undoneAt !== null && (
              <div className="quiet">
                {text('history.undone')} <Moment at={each.undoneAt} /> {each.undoneBy}{' '}
                {each.undoneReason && text('history.reason', { reason: each.undoneReason })}
              </div>
            )}
            {each.undoneAt === null && (
              <Button size="small" onClick={() => setUndone(each)} data-testid={`undo-${each.id}`}>
                {text(undoKey(each.kind))}
              </Button>
            )}
          </li>
        ))}
      </ul>
      <CorrectDialog proposal={proposal} close={() => setUndone(null)} done={done} />
    </>
  )
}

/** What it says, in a line. */
function about(each: Correction, text: Text, language: Language): string {
  const to = each.to && [personName(each.to.name ?? '', language), each.to.id ?? ''].filter(Boolean).join(' ')
  switch (each.kind) {
    case 'merge':
      return `${each.patient.id} → ${to}`
    case 'patient':
      return `${each.patient.id} → ${to}`
    case 'move':
      return `→ ${to}`
    case 'reject':
    case 'note':
      return text(`code.${each.code as '113001'}`)
    case 'choose':
      return each.sopUids[0] ?? ''
    default:
      return Object.values(each.values).filter(Boolean).join(text('common.listMark'))
  }
}
