/** Which slice of how many, and a slider to another. */

import { useText } from '../language'
import type { StackFacts } from './stack'

interface SlicesProps {
  facts: StackFacts | null
  go: (index: number) => void
}

export function Slices({ facts, go }: SlicesProps) {
  const text = useText()
  const count = facts?.count ?? 0
  return (
    <div className="slices">
      <span className="tabular" data-testid="slice-index">
        {facts ? text('slice.of', { index: facts.index + 1, count }) : '–'}
      </span>
      {count > 1 && (
        <input
          type="range"
          min={1}
          max={count}
          value={(facts?.index ?? 0) + 1}
          onChange={(event) => go(Number(event.target.value) - 1)}
          aria-label={text('slice.label')}
          data-testid="slice-slider"
        />
      )}
    </div>
  )
}
