/** Letters and numbers over the image; `h` hides them. They let the pointer through. */

import { useLanguage, useText } from '../language'
import { byteSize } from '../shown/size'
import type { Frame } from './frames'
import type { StackFacts } from './stack'
import type { Loading } from './use-stack'

interface ImageWordsProps {
  facts: StackFacts
  frame: Frame
  loading: Loading | null
}

const EDGES = ['left', 'right', 'top', 'bottom'] as const

export function ImageWords({ facts, frame, loading }: ImageWordsProps) {
  const text = useText()
  const { window, markers, scale } = facts
  return (
    <div className="image-words" data-testid="image-words">
      {markers &&
        EDGES.map((edge) => (
          <span key={edge} className={`marker ${edge}`} data-testid={`marker-${edge}`}>
            {markers[edge]}
          </span>
        ))}
      {!markers && <span className="corner top-left">{text('viewer.noOrientation')}</span>}
      <div className="corner bottom-left tabular">
        {window && (
          <span data-testid="window-values">
            {text('window.values', { center: round(window.center), width: round(window.width) })}
          </span>
        )}
        <span data-testid="zoom-value">{text('zoom.value', { percent: Math.round(scale * 100) })}</span>
      </div>
      <div className="corner bottom-right tabular">
        <span>{text('image.size', { columns: frame.columns, rows: frame.rows })}</span>
        <span>
          {frame.spacing
            ? text(frame.spacing.plane === 'patient' ? 'image.spacing' : 'image.spacingDetector', {
                row: Number(frame.spacing.row.toFixed(3)),
                column: Number(frame.spacing.column.toFixed(3)),
              })
            : text('image.noSpacing')}
        </span>
        <LoadingWords loading={loading} />
      </div>
    </div>
  )
}

function LoadingWords({ loading }: { loading: Loading | null }) {
  const text = useText()
  const language = useLanguage()
  if (!loading || loading.done >= loading.count) return null
  const seconds = Math.max(0.1, (performance.now() - loading.startedAt) / 1000)
  const rate = loading.bytes / seconds
  const left = Math.ceil(((loading.count - loading.done) * seconds) / Math.max(1, loading.done))
  return (
    <span data-testid="loading">
      {text('loading.slices', { done: loading.done, count: loading.count, rate: byteSize(rate, language), left })}
    </span>
  )
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
