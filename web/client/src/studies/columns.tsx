/** What a line of the study list says. */

import { Progress } from 'antd'
import { useMemo } from 'react'
import { Link } from 'react-router'
import type { Study } from '../api/types'
import { useLanguage, useText } from '../language'
import type { Column } from '../lists/table'
import { Mark } from '../shown/mark'
import { Moment } from '../shown/moment'
import { ageWord, personName, sexWord } from '../shown/patient'
import { CaseMark, CorrectionsMark, StudyMark } from '../shown/states'
import { dicomDate, dicomTime } from '../shown/times'

export function useColumns(): Column<Study>[] {
  const text = useText()
  const language = useLanguage()
  return useMemo(
    () => [
      {
        key: 'patient',
        title: text('column.patient'),
        className: 'lead',
        show: (study) => (
          <Link to={`/studies/${study.origin}/${study.studyUid}`} tabIndex={-1}>
            {personName(study.patientName, language) || text('patient.noName')}
            <span className="quiet">
              {' '}
              {sexWord(study.sex, text)} {ageWord(study.age, study.birthDate, study.studyDate, text)}
            </span>
          </Link>
        ),
      },
      { key: 'id', title: text('column.patientId'), className: 'wide code', show: (study) => study.patientId || '–' },
      {
        key: 'study',
        title: text('column.study'),
        show: (study) => (
          <>
            <b>{study.modalities.join(' ')}</b> {study.description || study.bodyParts.join(' ')}
          </>
        ),
      },
      {
        key: 'date',
        title: text('column.studyDate'),
        className: 'wide tabular',
        show: (study) => `${dicomDate(study.studyDate)} ${dicomTime(study.studyTime)}`,
      },
      { key: 'images', title: text('column.images'), className: 'number', show: (study) => <Images study={study} /> },
      {
        key: 'state',
        title: text('column.state'),
        show: (study) => (
          <>
            <StudyMark study={study} /> <CorrectionsMark study={study} />
          </>
        ),
      },
      { key: 'arrived', title: text('column.arrived'), className: 'wide', show: (study) => <Moment at={study.firstAt} /> },
      {
        key: 'consult',
        title: text('column.consult'),
        show: (study) => (study.consult ? <CaseMark state={study.consult.state} /> : <span className="quiet nothing">–</span>),
      },
      {
        key: 'report',
        title: text('column.report'),
        show: (study) =>
          study.report ? (
            <Mark shape="disc" tone="good" testId="study-report">
              <Moment at={study.report.signedAt} short />
            </Mark>
          ) : (
            <span className="quiet nothing">–</span>
          ),
      },
    ],
    [text, language],
  )
}

/** Instances received, of those expected where somebody said how many. */
export function Images({ study }: { study: Pick<Study, 'instances' | 'expected' | 'state'> }) {
  const text = useText()
  const { instances, expected, state } = study
  const words =
    expected === null ? text('images.received', { instances }) : text('images.of', { instances, expected })
  return (
    <span className="images tabular" data-testid="study-images">
      {words}
      {expected !== null && expected > 0 && state !== 'complete' && (
        <Progress
          percent={Math.min(100, (100 * instances) / expected)}
          showInfo={false}
          size={{ width: 48, height: 4 }}
          aria-label={words}
        />
      )}
    </span>
  )
}
