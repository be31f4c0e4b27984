/** The pages of corrections, loaded together: they share most of what they are made of. */

import MergePage from './merge-page'
import CorrectionsPage from './page'
import StudyCorrectionsPage from './study-page'

const PAGES = { list: <CorrectionsPage />, merge: <MergePage />, study: <StudyCorrectionsPage /> }

export default function CorrectionsPlace({ page }: { page: keyof typeof PAGES }) {
  return PAGES[page]
}
