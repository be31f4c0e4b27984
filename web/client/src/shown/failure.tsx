/** What went wrong, in the reader's words: ours by its code, the node's own beside it. */

import { Alert, Button } from 'antd'
import { useCallback } from 'react'
import type { ApiError } from '../api/client'
import type { Key } from '../catalogue'
import { useText } from '../language'

const TITLES: Record<string, Key> = {
  offline: 'error.offline',
  'no-words': 'error.noWords',
  unauthenticated: 'error.unauthenticated',
  refused: 'error.refused',
  'not-found': 'error.notFound',
  conflict: 'error.conflict',
  invalid: 'error.invalid',
  unavailable: 'error.unavailable',
  'outcome-unknown': 'error.outcomeUnknown',
  'too-many-attempts': 'error.tooManyAttempts',
  damaged: 'error.damaged',
  defect: 'error.defect',
}

export interface ErrorWords {
  title: string
  /** The node's own sentence; empty when ours says it all. */
  detail: string
}

export function useErrorText(): (error: ApiError) => ErrorWords {
  const text = useText()
  return useCallback(
    (error) => ({
      title: text(TITLES[error.code] ?? 'error.noWords'),
      detail: error.code === 'offline' ? '' : error.message,
    }),
    [text],
  )
}

interface FailureProps {
  error: ApiError
  again?: () => void
}

/** A failure in place of, or above, what could not be read. */
export function Failure({ error, again }: FailureProps) {
  const text = useText()
  const words = useErrorText()(error)
  return (
    <Alert
      type="error"
      showIcon
      title={words.title}
      description={words.detail || undefined}
      data-testid="failure"
      action={
        again && (
          <Button size="small" onClick={again} data-testid="failure-again">
            {text('common.again')}
          </Button>
        )
      }
    />
  )
}
