/** The last look before a signature: whose report it is and what it says. */

import { Modal } from 'antd'
import type { Case } from '../api/types'
import { useLanguage, useText } from '../language'
import { ageWord, personName, sexWord } from '../shown/patient'
import type { Words } from './draft-keeper'

interface SignDialogProps {
  item: Case
  open: boolean
  words: Words
  busy: boolean
  close: () => void
  sign: () => void
}

export function SignDialog({ item, open, words, busy, close, sign }: SignDialogProps) {
  const text = useText()
  const language = useLanguage()
  const { study } = item
  return (
    <Modal
      open={open}
      title={text('sign.title')}
      onCancel={close}
      onOk={sign}
      okText={text('sign.confirm')}
      cancelText={text('common.cancel')}
      confirmLoading={busy}
      okButtonProps={{ 'data-testid': 'sign-confirm', autoFocus: true }}
      width={640}
    >
      {study && (
        <p className="sign-patient" data-testid="sign-patient">
          <b>{personName(study.patientName, language) || text('patient.noName')}</b> {sexWord(study.sex, text)}{' '}
          {ageWord(study.age, study.birthDate, study.studyDate, text)} · {study.patientId} · {item.clinicName} ·{' '}
          {study.modalities.join(' ')} {study.description}
        </p>
      )}
      <h3>{text('report.findings')}</h3>
      <p className="prose">{words.findings}</p>
      <h3>{text('report.impression')}</h3>
      <p className="prose strong">{words.impression}</p>
      <p className="quiet">{text('sign.how')}</p>
    </Modal>
  )
}
