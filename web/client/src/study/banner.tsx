/** Whose images these are: the same eight facts wherever a study is shown. */

import type { Study } from '../api/types'
import { useLanguage, useText } from '../language'
import { Images } from '../studies/columns'
import { ageWord, personName, sexWord } from '../shown/patient'
import { CorrectionsMark, StudyMark } from '../shown/states'
import { dicomDate, dicomTime } from '../shown/times'

interface BannerProps {
  study: Study
  hospital: string
  /** In the reading room: without state and counts. */
  reading?: boolean
}

export function Banner({ study, hospital, reading = false }: BannerProps) {
  const text = useText()
  const language = useLanguage()
  const name = personName(study.patientName, language) || text('patient.noName')
  const facts: [string, string, string][] = [
    ['banner-sex', text('column.sex'), sexWord(study.sex, text)],
    ['banner-age', text('column.age'), ageWord(study.age, study.birthDate, study.studyDate, text)],
    ['banner-id', text('column.patientId'), study.patientId || text('patient.noId')],
    ['banner-issuer', text('column.issuer'), study.patientIssuer || '–'],
    ['banner-date', text('column.studyDate'), `${dicomDate(study.studyDate)} ${dicomTime(study.studyTime)}`.trim() || '–'],
    ['banner-accession', text('column.accession'), study.accession || '–'],
    ['banner-hospital', text('column.hospital'), hospital],
  ]
  const Name = reading ? 'h2' : 'h1'
  return (
    <section className="banner" aria-label={text('banner.label')} data-testid="banner">
      <div className="banner-name">
        <Name data-testid="banner-name">{name}</Name>
        <div className="quiet">
          <b>{study.modalities.join(' ')}</b> {study.description || study.bodyParts.join(' ')}
        </div>
        <CorrectionsMark study={study} />
      </div>
      <dl className="facts">
        {facts.map(([id, label, value]) => (
          <div key={id}>
            <dt>{label}</dt>
            <dd data-testid={id}>{value}</dd>
          </div>
        ))}
        {!reading && (
          <div>
            <dt>{text('column.state')}</dt>
            <dd>
              <StudyMark study={study} /> <Images study={study} />
            </dd>
          </div>
        )}
      </dl>
    </section>
  )
}
