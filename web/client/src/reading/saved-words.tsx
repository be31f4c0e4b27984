/** Whether what was typed is at the node, and since when. */

import { useText } from '../language'
import { Mark } from '../shown/mark'
import { Moment } from '../shown/moment'
import type { DraftState } from './draft-keeper'

export function SavedWords({ state }: { state: DraftState }) {
  const text = useText()
  switch (state.status) {
    case 'saved':
      return (
        <Mark shape="disc" tone="good" testId="draft-saved">
          {state.savedAt === null ? (
            text('draft.empty')
          ) : (
            <>
              {text('draft.saved')} <Moment at={state.savedAt} />
            </>
          )}
        </Mark>
      )
    case 'failed':
      return (
        <Mark shape="triangle" tone="bad" testId="draft-failed">
          {text('draft.failed')}
        </Mark>
      )
    case 'conflict':
      return (
        <Mark shape="triangle" tone="warn">
          {text('draft.notSaved')}
        </Mark>
      )
    default:
      return (
        <Mark shape="half" tone="busy" testId="draft-saving">
          {text('draft.saving')}
        </Mark>
      )
  }
}
