/** What the node says and takes, in the words of its Web API. Times are microseconds UTC. */

export type Micros = number
export type Role = 'technician' | 'expert' | 'administrator'

export interface Person {
  id: string
  user: string
  name: string
  roles: Role[]
  mustChange: boolean
}

export interface Me {
  node: {
    id: string
    name: string
    zone: string
    language?: string
    /** Where devices send; an empty host means the one of this page. */
    dicom: { aet: string; host: string; port: number } | null
  }
  person: Person | null
  csrf: string
  setup: boolean
  now: Micros
}

export type StudyState = 'announced' | 'receiving' | 'complete'
export type CaseState = 'requested' | 'offered' | 'claimed' | 'signed' | 'declined' | 'cancelled'
export type Kind = 'diagnosis' | 'consultation'
export type Urgency = 'emergency' | 'routine'

export interface Study {
  origin: string
  studyUid: string
  /** DICOM PN, as written: `A^B=表意=...`. */
  patientName: string
  patientId: string
  patientIssuer: string
  sex: string
  birthDate: string
  age: string
  studyDate: string
  studyTime: string
  accession: string
  description: string
  modalities: string[]
  bodyParts: string[]
  department: string
  series: number
  instances: number
  /** Instances announced; null when nobody has said. */
  expected: number | null
  bytes: number
  state: StudyState
  /** 0 none, 1 an instance exists with two contents, 2 the patient differs. */
  conflict: number
  /** Up to when its corrections are known, where the index was rebuilt without all of them; null: all are. */
  correctionsUntil: Micros | null
  firstAt: Micros
  lastAt: Micros
  completedAt: Micros | null
  consult: { caseId: string; state: CaseState; kind: Kind } | null
  report: { reportId: string; signedAt: Micros } | null
}

export interface StudyList {
  items: Study[]
  next: string | null
  total: number
}

export interface Series {
  seriesUid: string
  modality: string
  number: number | null
  description: string
  bodyPart: string
  laterality: string
  instances: number
}

export interface InstanceConflict {
  sopUid: string
  digests: string[]
  patientDiffers: boolean
}

export interface Consent {
  who: string
  /** YYYY-MM-DD */
  at: string
  how: 'written' | 'guardian' | 'verbal-recorded'
}

export interface CaseForm {
  reason: string
  aim: string
  history: string
  requestingDoctor: string
  consent: Consent
}

export interface Fact {
  at: Micros
  node: string
  type: string
  body: Record<string, unknown>
}

export interface Case {
  caseId: string
  clinic: string
  clinicName: string
  home: string
  pool: string
  poolName: string
  origin: string
  studyUid: string
  kind: Kind
  urgency: Urgency
  specialty: string
  state: CaseState
  /** The clinic has asked to cancel and home has not answered. */
  cancelling: boolean
  amended: boolean
  requestedAt: Micros
  requestedBy: string
  due: Micros
  reason: string
  claim: { person: string; name: string; until: Micros | null; mine: boolean } | null
  reportId: string | null
  form: CaseForm | null
  study: Study | null
  facts: Fact[]
}

export interface Delivery {
  id: string
  reportId: string
  destination: string
  destinationName: string
  kind: string
  state: 'waiting' | 'delivered' | 'failing' | 'given-up'
  attempts: number
  nextAt: Micros
  lastError: string
  deliveredAt: Micros | null
}

export interface Report {
  reportId: string
  caseId: string
  origin: string
  studyUid: string
  state: string
  findings: string
  impression: string
  signerName: string
  signedAt: Micros
  reviewerName: string
  lateCancel: boolean
  /** Whether the PDF and SR are made: `waiting` or `made`. */
  documents: string
  deliveries: Delivery[]
}

export interface StudyPage {
  study: Study
  series: Series[]
  cases: Case[]
  reports: Report[]
  conflicts: InstanceConflict[]
  /** Root of the DICOMweb addresses of this study. */
  dicomweb: string
}

export interface StoryEvent {
  at: Micros
  node: string
  what: string
  who: string
  detail: Record<string, unknown>
  bytes?: number
}

export interface Pool {
  id: string
  name: string
  specialty: string
  home: string
}

export interface Draft {
  version: number
  findings: string
  impression: string
  at: Micros
}
