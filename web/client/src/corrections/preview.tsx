/** What a correction would change, study by study: each value before and after. */

import type { Key } from '../catalogue'
import { useLanguage, useText, type Text } from '../language'
import { personName, sexWord } from '../shown/patient'
import { dicomDate, dicomTime } from '../shown/times'
import type { Compared, Preview as Changes, StudyChange } from './types'

const SHOWN = 20

const LABELS: Record<string, Key> = {
  patient_id: 'column.patientId',
  patient_issuer: 'column.issuer',
  patient_name: 'correct.name',
  sex: 'column.sex',
  birth_date: 'correct.birthDate',
  accession: 'column.accession',
  description: 'correct.description',
  study_date: 'column.studyDate',
  study_time: 'correct.studyTime',
  modality: 'correct.modality',
  modalities: 'correct.modality',
  body_part: 'correct.bodyPart',
  body_parts: 'correct.bodyPart',
  laterality: 'correct.laterality',
  instance_count: 'column.images',
  conflict: 'correct.conflict',
}

export function Preview({ preview }: { preview: Changes }) {
  const text = useText()
  const touched = preview.items.filter((each) => each.changes.length > 0 || each.series.length > 0 || each.instances > 0)
  return (
    <section aria-label={text('preview.title')} data-testid="preview">
      <h3>{text('preview.studies', { count: touched.length })}</h3>
      {touched.length === 0 && <p className="quiet">{text('preview.nothing')}</p>}
      {touched.slice(0, SHOWN).map((each) => (
        <OneStudy key={each.studyUid} change={each} />
      ))}
      {preview.others > 0 && <p className="strong">{text('preview.others', { count: preview.others })}</p>}
      {touched.length > SHOWN && <p className="quiet">{text('preview.more', { count: touched.length - SHOWN })}</p>}
    </section>
  )
}

function OneStudy({ change }: { change: StudyChange }) {
  const text = useText()
  return (
    <div className="change">
      <header>
        <b>{change.modalities.join(' ')}</b> {change.description} <span className="tabular">{dicomDate(change.studyDate)}</span>
      </header>
      <Values changes={change.changes} />
      {change.series
        .filter((each) => each.changes.length > 0)
        .map((each) => (
          <div key={each.seriesUid}>
            <span className="quiet">{text('preview.series', { number: each.number ?? '–' })}</span>
            <Values changes={each.changes} />
          </div>
        ))}
    </div>
  )
}

function Values({ changes }: { changes: Compared[] }) {
  const text = useText()
  const language = useLanguage()
  return (
    <dl className="before-after">
      {changes.map((each) => (
        <div key={each.name}>
          <dt>{text(LABELS[each.name] ?? 'column.state')}</dt>
          <dd>
            <del>{written(each.name, each.before, text, language) || text('correct.empty')}</del>
            <span aria-hidden="true"> → </span>
            <ins>{written(each.name, each.after, text, language) || text('correct.empty')}</ins>
          </dd>
        </div>
      ))}
    </dl>
  )
}

const CONFLICTS: Record<string, Key> = { '0': 'correct.noConflict', '1': 'study.conflict', '2': 'study.patientConflict' }

function written(name: string, value: string, text: Text, language: 'zh' | 'en'): string {
  switch (name) {
    case 'patient_name':
      return personName(value, language)
    case 'sex':
      return sexWord(value, text)
    case 'birth_date':
    case 'study_date':
      return dicomDate(value)
    case 'study_time':
      return dicomTime(value)
    case 'conflict':
      return text(CONFLICTS[value] ?? 'study.conflict')
    default:
      return value
  }
}
