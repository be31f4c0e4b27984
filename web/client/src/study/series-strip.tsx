/** The series of a study, each with a picture of its middle instance. */

import { useEffect, useState } from 'react'
import { Link } from 'react-router'
import type { Series, StudyPage } from '../api/types'
import { useText } from '../language'

interface SeriesStripProps {
  page: StudyPage
  /** False where a picture would bring the study back from the archive: looking at its page must not. */
  pictures: boolean
}

export function SeriesStrip({ page, pictures }: SeriesStripProps) {
  const text = useText()
  const { study, series, dicomweb } = page
  return (
    <section>
      <h2>{text('series.title', { count: series.length })}</h2>
      {series.length === 0 && <p className="quiet">{text('series.none')}</p>}
      <div className="strip">
        {series.map((each) => (
          <Link
            key={each.seriesUid}
            className="strip-item"
            to={`/view/${study.origin}/${study.studyUid}?series=${each.seriesUid}`}
            data-testid={`series-${each.seriesUid}`}
          >
            <Thumbnail root={`${dicomweb}/studies/${study.studyUid}/series/${each.seriesUid}`} series={each} pictures={pictures} />
            <SeriesWords series={each} />
          </Link>
        ))}
      </div>
    </section>
  )
}

export function SeriesWords({ series }: { series: Series }) {
  const text = useText()
  return (
    <span className="strip-words">
      <span>
        {series.number !== null && `${series.number} · `}
        <b>{series.modality}</b> {series.description || series.bodyPart}
      </span>
      <span className="quiet tabular">{text('images.count', { count: series.instances })}</span>
    </span>
  )
}

interface ThumbnailProps {
  /** DICOMweb address of the series. */
  root: string
  series: Series
  pictures?: boolean
}

/** Series of documents and plans: nothing to make a picture of. */
const PICTURELESS = new Set(['SR', 'PR', 'KO', 'DOC', 'REG', 'RTSTRUCT', 'RTPLAN', 'RTRECORD', 'AU', 'ECG', 'HD'])

/** A picture of the middle instance; the modality's name where there is none. */
export function Thumbnail({ root, series, pictures = true }: ThumbnailProps) {
  const [source, setSource] = useState<string | null>(null)
  const { instances, modality } = series
  useEffect(() => {
    if (!pictures || PICTURELESS.has(modality)) return
    let gone = false
    middleInstance(root, instances).then(
      (uid) => !gone && setSource(uid && `${root}/instances/${uid}/rendered`),
      () => undefined,
    )
    return () => {
      gone = true
    }
    // A series that grows keeps its picture: only the first count matters.
  }, [root, pictures])
  if (!source) return <span className="thumbnail none">{modality}</span>
  return <img className="thumbnail" src={source} alt="" loading="lazy" onError={() => setSource(null)} />
}

/** Source: DICOM PS3.18 10.6 (search), 6.7.1.2 (offset and limit). */
async function middleInstance(root: string, instances: number): Promise<string | null> {
  const offset = Math.floor(Math.max(0, instances - 1) / 2)
  const response = await fetch(`${root}/instances?limit=1&offset=${offset}`, {
    headers: { Accept: 'application/dicom+json' },
  })
  if (!response.ok || response.status === 204) return null
  const [instance] = (await response.json()) as { '00080018'?: { Value?: string[] } }[]
  return instance?.['00080018']?.Value?.[0] ?? null
}
