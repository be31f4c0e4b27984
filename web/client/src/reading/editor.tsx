/** Write the report: two texts that save themselves, then sign or give back. */

import { Alert, Button, Input } from 'antd'
import { useState } from 'react'
import { useAction } from '../api/action'
import { post } from '../api/client'
import type { Case, Report } from '../api/types'
import { ReasonDialog } from '../consults/reason-dialog'
import { useText } from '../language'
import { useKeys } from '../shell/keys'
import { Waiting } from '../session/guard'
import { ClaimTimer } from './claim-timer'
import { SavedWords } from './saved-words'
import { SignDialog } from './sign-dialog'
import { useDraft } from './use-draft'

interface EditorProps {
  item: Case
  put: (item: Case) => void
  reload: () => void
}

const LONGEST = 20_000

export function Editor({ item, put, reload }: EditorProps) {
  const text = useText()
  const draft = useDraft(item.caseId, true)
  const { busy, run } = useAction()
  const [signing, setSigning] = useState(false)
  const [releasing, setReleasing] = useState(false)
  const ready = draft !== null && draft.state.findings.trim() !== '' && draft.state.impression.trim() !== ''
  useKeys([
    { key: 'Ctrl+Enter', label: 'keys.sign', whileTyping: true, act: () => ready && setSigning(true) },
    { key: 'r', label: 'keys.report', act: () => document.getElementById('findings')?.focus() },
  ])
  if (!draft) return <Waiting />
  const { keeper, state } = draft

  const sign = async () => {
    const signed = await run(async () => {
      await keeper.flush()
      const { version, findings, impression } = keeper.state
      await post<Report>(`/api/consults/${item.caseId}/sign`, { version, findings, impression })
    })
    setSigning(false)
    if (signed) keeper.close()
    reload()
  }
  const release = async (reason: string) => {
    setReleasing(false)
    await run(async () => {
      await keeper.flush()
      put(await post<Case>(`/api/consults/${item.caseId}/release`, { reason }))
    })
  }
  return (
    <div className="editor">
      {state.status === 'conflict' && (
        <Alert
          type="warning"
          showIcon
          data-testid="draft-conflict"
          title={text('draft.conflict')}
          description={
            <>
              <blockquote className="prose">{`${state.theirs?.findings ?? ''}\n\n${state.theirs?.impression ?? ''}`}</blockquote>
              <span className="buttons">
                <Button size="small" onClick={() => void keeper.keepMine()} data-testid="draft-mine">
                  {text('draft.keepMine')}
                </Button>
                <Button size="small" onClick={() => keeper.takeTheirs()} data-testid="draft-theirs">
                  {text('draft.takeTheirs')}
                </Button>
              </span>
            </>
          }
        />
      )}
      <label htmlFor="findings">{text('report.findings')}</label>
      <Input.TextArea
        id="findings"
        value={state.findings}
        onChange={(event) => keeper.write({ findings: event.target.value })}
        onBlur={() => void keeper.flush()}
        maxLength={LONGEST}
        className="findings"
        data-testid="findings"
      />
      <label htmlFor="impression">{text('report.impression')}</label>
      <Input.TextArea
        id="impression"
        value={state.impression}
        onChange={(event) => keeper.write({ impression: event.target.value })}
        onBlur={() => void keeper.flush()}
        maxLength={LONGEST}
        className="impression"
        data-testid="impression"
      />
      <div className="editor-foot">
        <SavedWords state={state} />
        <ClaimTimer claim={item.claim} />
      </div>
      <div className="buttons">
        <Button
          type="primary"
          size="large"
          disabled={!ready || state.status === 'conflict'}
          loading={busy}
          onClick={() => setSigning(true)}
          title={text(ready ? 'sign.key' : 'sign.needsBoth')}
          data-testid="sign"
        >
          {text('sign.open')}
        </Button>
        <Button onClick={() => setReleasing(true)} disabled={busy} data-testid="release">
          {text('claim.release')}
        </Button>
      </div>
      <SignDialog item={item} open={signing} words={state} busy={busy} close={() => setSigning(false)} sign={() => void sign()} />
      <ReasonDialog
        open={releasing}
        title={text('claim.releaseTitle')}
        explained={text('claim.releaseHow')}
        confirm={text('claim.release')}
        close={() => setReleasing(false)}
        done={(reason) => void release(reason)}
      />
    </div>
  )
}
