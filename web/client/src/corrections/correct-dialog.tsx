/** Before a correction is made or taken back: what it changes, and why it is right. */

import { Alert, Input, Modal } from 'antd'
import { useEffect, useState } from 'react'
import { useAction } from '../api/action'
import { ApiError } from '../api/client'
import { useText } from '../language'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { Preview } from './preview'
import type { Preview as Changes } from './types'

export interface Proposal {
  title: string
  explained: string
  /** What it takes away from sight or joins for good unless undone: said in red. */
  warning?: string
  /** It says that two are one person: what makes that unlikely is said in red. */
  onePerson?: boolean
  confirm: string
  preview: () => Promise<Changes>
  make: (reason: string, seen: string) => Promise<unknown>
}

interface CorrectDialogProps {
  proposal: Proposal | null
  close: () => void
  done: () => void
}

export function CorrectDialog({ proposal, close, done }: CorrectDialogProps) {
  const text = useText()
  const [preview, setPreview] = useState<Changes | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  const [reason, setReason] = useState('')
  const { busy, run } = useAction()

  const look = () => {
    setPreview(null)
    setError(null)
    proposal?.preview().then(setPreview, (cause: unknown) => {
      setError(cause instanceof ApiError ? cause : new ApiError(0, 'no-words', String(cause)))
    })
  }
  useEffect(() => {
    setReason('')
    look()
    // Another proposal is another look.
  }, [proposal])

  const confirm = async () => {
    if (!proposal || !preview) return
    const changed = (failure: ApiError) => {
      if (failure.code !== 'conflict') return false
      setError(failure)
      setPreview(null)
      return true
    }
    if (!(await run(() => proposal.make(reason.trim(), preview.seen), changed))) return
    close()
    done()
  }
  return (
    <Modal
      open={proposal !== null}
      width={720}
      title={proposal?.title}
      onCancel={close}
      onOk={() => void confirm()}
      okText={proposal?.confirm}
      cancelText={text('common.cancel')}
      confirmLoading={busy}
      okButtonProps={{ disabled: !preview || reason.trim() === '', 'data-testid': 'correct-confirm' }}
      destroyOnHidden
    >
      <div className="proposal">
        <p>{proposal?.explained}</p>
        {proposal?.warning && <Alert type="warning" showIcon title={proposal.warning} />}
        {error && <Failure error={error} again={look} />}
        {proposal?.onePerson && preview && differs(preview) && (
          <Alert type="error" showIcon title={text('merge.differ')} data-testid="merge-differ" />
        )}
        {preview ? <Preview preview={preview} /> : !error && <Waiting />}
        <label>
          <span className="quiet">{text('correct.reason')}</span>
          <Input.TextArea
            value={reason}
            onChange={(event) => setReason(event.target.value)}
            autoSize={{ minRows: 2, maxRows: 6 }}
            maxLength={1000}
            placeholder={text('correct.reasonHow')}
            data-testid="correct-reason"
          />
        </label>
      </div>
    </Modal>
  )
}

/** Whether sex or birth date would become another one, where both are known. */
function differs(preview: Changes): boolean {
  return preview.items.some((study) =>
    study.changes.some((each) => ['sex', 'birth_date'].includes(each.name) && each.before !== '' && each.after !== ''),
  )
}
