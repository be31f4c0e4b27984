/** Ask why, before something that another person will read. */

import { Input, Modal } from 'antd'
import { useEffect, useState } from 'react'
import { useText } from '../language'

interface ReasonDialogProps {
  open: boolean
  title: string
  explained: string
  confirm: string
  close: () => void
  done: (reason: string) => void
}

export function ReasonDialog({ open, title, explained, confirm, close, done }: ReasonDialogProps) {
  const text = useText()
  const [reason, setReason] = useState('')
  useEffect(() => {
    if (open) setReason('')
  }, [open])
  return (
    <Modal
      open={open}
      title={title}
      onCancel={close}
      onOk={() => done(reason.trim())}
      okText={confirm}
      cancelText={text('common.cancel')}
      okButtonProps={{ disabled: reason.trim() === '', 'data-testid': 'reason-confirm' }}
    >
      <p>{explained}</p>
      <Input.TextArea
        value={reason}
        onChange={(event) => setReason(event.target.value)}
        autoSize={{ minRows: 3 }}
        maxLength={2000}
        aria-label={text('reason.label')}
        placeholder={text('reason.label')}
        data-testid="reason"
      />
    </Modal>
  )
}
