/** A study of which not all corrections are known since the index was rebuilt: how far they are, and who says it is right. */

import { Alert, Button } from 'antd'
import { useAction } from '../api/action'
import { post } from '../api/client'
import type { Study } from '../api/types'
import { useText } from '../language'
import { useRole } from '../session/session'
import { Moment } from '../shown/moment'

export function Unsettled({ study, reload }: { study: Study; reload: () => void }) {
  const text = useText()
  const administrator = useRole('administrator')
  const { busy, run } = useAction()
  const until = study.correctionsUntil
  if (until === null) return null
  const settle = async () => {
    if (await run(() => post(`/api/unsettled/${study.origin}/${study.studyUid}`))) reload()
  }
  return (
    <Alert
      type="warning"
      showIcon
      data-testid="unsettled"
      title={text('study.correctionsUnknown')}
      description={
        <>
          <p>{text('study.correctionsUnknownHow')}</p>
          <p>
            {until === 0 ? (
              text('study.correctionsNone')
            ) : (
              <>
                {text('study.correctionsUntil')} <Moment at={until} />
              </>
            )}
          </p>
        </>
      }
      action={
        administrator && (
          <Button loading={busy} onClick={() => void settle()} data-testid="settle-corrections">
            {text('study.correctionsSettle')}
          </Button>
        )
      }
    />
  )
}
