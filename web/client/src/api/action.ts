/** A change that a person asked for: one at a time, its failure said in words. */

import { App } from 'antd'
import { useCallback, useRef, useState } from 'react'
import { useErrorText } from '../shown/failure'
import { ApiError } from './client'

export interface Action {
  busy: boolean
  /** Run it; answers whether it succeeded. `refused` may take an error as its own (true: nothing else is said). */
  run: (change: () => Promise<unknown>, refused?: (error: ApiError) => boolean) => Promise<boolean>
}

export function useAction(): Action {
  const [busy, setBusy] = useState(false)
  const running = useRef(false)
  const { notification } = App.useApp()
  const errorText = useErrorText()
  const run = useCallback<Action['run']>(
    async (change, refused) => {
      if (running.current) return false
      running.current = true
      setBusy(true)
      try {
        await change()
        return true
      } catch (cause) {
        const error = cause instanceof ApiError ? cause : new ApiError(0, 'no-words', String(cause))
        if (!refused?.(error)) {
          const words = errorText(error)
          notification.error({ title: words.title, description: words.detail, placement: 'topRight', duration: 8 })
        }
        return false
      } finally {
        running.current = false
        setBusy(false)
      }
    },
    [notification, errorText],
  )
  return { busy, run }
}
