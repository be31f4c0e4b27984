/** What the node says and takes about corrections. Times are microseconds UTC. */

import type { Micros, Study } from '../api/types'

export interface PatientKey {
  issuer: string
  id: string
}

export interface Patient extends PatientKey {
  name: string
  sex: string
  birthDate: string
  studies: number
  instances: number
  firstAt: Micros
}

/** What becomes of a patient; what is not there stays. */
export interface PatientChange {
  issuer?: string
  id?: string
  name?: string
  birthDate?: string
  sex?: string
}

export interface Compared {
  name: string
  before: string
  after: string
}

export interface StudyChange {
  origin: string
  studyUid: string
  patientName: string
  patientId: string
  studyDate: string
  description: string
  modalities: string[]
  changes: Compared[]
  series: { seriesUid: string; number: number | null; changes: Compared[] }[]
  instances: number
}

export interface Preview {
  seen: string
  items: StudyChange[]
  /** Instances that name somebody else and would be rejected besides. */
  others: number
}

export type CorrectionKind = 'merge' | 'patient' | 'move' | 'study' | 'series' | 'reject' | 'choose' | 'note'

export interface Correction {
  id: string
  kind: CorrectionKind
  origin: string
  studyUid: string
  seriesUid: string
  patient: PatientKey
  to: PatientChange | null
  values: Record<string, string>
  sopUids: string[]
  code: string
  reason: string
  by: string
  at: Micros
  undoneAt: Micros | null
  undoneBy: string
  undoneReason: string
  studies: number
}

export interface Corrections {
  items: Correction[]
  conflicts: Study[]
  rejected: Study[]
}

export interface PatientPage {
  patient: Patient
  studies: Study[]
}

/** One content of an instance that came with several. */
export interface Content {
  sopUid: string
  seriesUid: string
  digest: string
  state: string
  receivedAt: Micros
  device: string
  address: string
  patientName: string
  patientId: string
  sex: string
  birthDate: string
  description: string
  frames: number
}

export interface Spoken extends PatientKey {
  name: string
  sex: string
  birthDate: string
  firstAt: Micros
}

export interface StudyCorrections {
  study: Study
  own: boolean
  items: Correction[]
  patients: Spoken[]
  contents: Content[]
}

/** A correction that a form asks for; the dialog adds the reason and what was seen. */
export interface Ask {
  kind: string
  [field: string]: unknown
}
