/** The series of the study, to switch between. */

import type { StudyPage } from '../api/types'
import { useText } from '../language'
import { SeriesWords, Thumbnail } from '../study/series-strip'

interface SeriesListProps {
  page: StudyPage
  chosen: string | null
  choose: (seriesUid: string) => void
}

export function SeriesList({ page, chosen, choose }: SeriesListProps) {
  const text = useText()
  const root = `${page.dicomweb}/studies/${page.study.studyUid}/series`
  return (
    <nav className="series-list" aria-label={text('series.switch')}>
      {page.series.map((series) => (
        <button
          key={series.seriesUid}
          type="button"
          className="strip-item"
          aria-pressed={series.seriesUid === chosen}
          onClick={() => choose(series.seriesUid)}
          data-testid={`series-${series.seriesUid}`}
        >
          <Thumbnail root={`${root}/${series.seriesUid}`} series={series} />
          <SeriesWords series={series} />
        </button>
      ))}
    </nav>
  )
}
