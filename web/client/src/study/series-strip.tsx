/** The series of a study, each with a picture of its middle instance. */

import { useState } from 'react'
import { Link } from 'react-router'
import type { Series, StudyPage } from '../api/types'
import { useText } from '../language'

interface SeriesStripProps {
  page: StudyPage
}

export function SeriesStrip({ page }: SeriesStripProps) {
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
            <Thumbnail root={`${dicomweb}/studies/${study.studyUid}/series/${each.seriesUid}`} series={each} />
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
}

/** Series of documents and plans: nothing to make a picture of. */
const PICTURELESS = new Set(['SR', 'PR', 'KO', 'DOC', 'REG', 'RTSTRUCT', 'RTPLAN', 'RTRECORD', 'AU', 'ECG', 'HD'])

/** Twice as wide as it is shown, for fine screens. */
const SIZE = 244

/**
 * A picture of the middle instance; the modality's name where there is none. It brings nothing back from the archive.
 *
 * Source: DICOM PS3.18 10.4.1.1.5.
 */
export function Thumbnail({ root, series }: ThumbnailProps) {
  const [missing, setMissing] = useState(false)
  const { modality } = series
  if (missing || PICTURELESS.has(modality)) return <span className="thumbnail none">{modality}</span>
  return <img className="thumbnail" src={`${root}/thumbnail?viewport=${SIZE},${SIZE}`} alt="" loading="lazy" onError={() => setMissing(true)} />
}
