/** A study in a list of the storage pages: by its patient for who may see it, by its number for all others. */

import { Link } from 'react-router'
import type { Named } from '../api/watch'
import { useLanguage } from '../language'
import { personName } from '../shown/patient'

export function NamedStudy({ study }: { study: Named }) {
  const language = useLanguage()
  const [name = '', id = ''] = study.label.split('\t')
  if (!study.label) return <span className="code">{study.studyUid}</span>
  return (
    <>
      <b>{study.modalities.join(' ')}</b>{' '}
      <Link to={`/studies/${study.origin}/${study.studyUid}`}>{personName(name, language) || id || study.studyUid}</Link>{' '}
      {name && <span className="quiet">{id}</span>}
    </>
  )
}
