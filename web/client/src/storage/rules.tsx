/** The rules for copies, in their order: changed here, tried on the studies of the last month, and then saved. */

import { Alert, Button } from 'antd'
import { useState } from 'react'
import { useAction } from '../api/action'
import { get, post, put } from '../api/client'
import { useResource } from '../api/resource'
import type { CopyRule, CopyRules, RulesBody, Trial } from '../api/storage'
import { useText } from '../language'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { Moment } from '../shown/moment'
import { moved, same, wrongOrder } from './copy-rules'
import { LimitsForm } from './limits'
import { RuleDialog } from './rule-dialog'
import { RuleLine } from './rule-line'
import { TrialResult } from './trial'

const PATH = '/api/archive/rules'

export function Rules() {
  const rules = useResource<CopyRules>(PATH)
  const { value, error, reload } = rules
  if (!value) return error ? <Failure error={error} again={reload} /> : <Waiting />
  return <Editor first={value} />
}

/** Keeps what is being changed whatever becomes of the node's own: that somebody else saved meanwhile is said when this is saved. */
function Editor({ first }: { first: CopyRules }) {
  const text = useText()
  const [counting, setCounting] = useState(first)
  const [draft, setDraft] = useState<RulesBody>(bodyOf(first))
  const [edited, setEdited] = useState<number | 'new' | null>(null)
  const [trial, setTrial] = useState<Trial | null>(null)
  const [stale, setStale] = useState(false)
  const trying = useAction()
  const saving = useAction()
  const wrong = wrongOrder(draft.rules)
  const changed = !same(draft, counting)
  const change = (next: Partial<RulesBody>) => {
    setDraft({ ...draft, ...next })
    setTrial(null)
  }
  const take = (rules: CopyRules) => {
    setCounting(rules)
    setDraft(bodyOf(rules))
    setTrial(null)
    setStale(false)
  }
  const reload = () => saving.run(async () => take(await get<CopyRules>(PATH)))
  const attempt = () => trying.run(async () => setTrial(await post<Trial>(`${PATH}/try`, draft)))
  const save = () =>
    saving.run(
      async () => take(await put<CopyRules>(PATH, draft)),
      (error) => {
        setStale(error.status === 409)
        return error.status === 409
      },
    )
  const keep = (rule: CopyRule) => {
    const rules = edited === 'new' ? [rule, ...draft.rules] : draft.rules.map((each, at) => (at === edited ? rule : each))
    change({ rules })
    setEdited(null)
  }
  const opened = typeof edited === 'number' ? draft.rules[edited] : undefined
  return (
    <>
      <section>
        <div className="page-actions">
          <Button onClick={() => setEdited('new')} data-testid="copy-rule-add">
            {text('copyRules.add')}
          </Button>
          <Button disabled={!changed || wrong !== null} loading={trying.busy} onClick={() => void attempt()} data-testid="copy-rules-try">
            {text('copyRules.try')}
          </Button>
          <Button
            type="primary"
            disabled={!changed || wrong !== null}
            loading={saving.busy}
            onClick={() => void save()}
            data-testid="copy-rules-save"
          >
            {text('common.save')}
          </Button>
          {changed && (
            <Button onClick={() => change(bodyOf(counting))} data-testid="copy-rules-discard">
              {text('copyRules.discard')}
            </Button>
          )}
          <span className="quiet">{text(changed ? 'copyRules.changed' : 'copyRules.how')}</span>
        </div>
        {stale && (
          <Alert
            type="warning"
            showIcon
            title={text('copyRules.stale')}
            description={text('copyRules.staleHow')}
            action={
              <Button size="small" onClick={() => void reload()} data-testid="copy-rules-reload">
                {text('copyRules.reload')}
              </Button>
            }
            data-testid="copy-rules-stale"
          />
        )}
        {wrong && <Alert type="error" showIcon title={text(wrong.key, wrong.values)} data-testid="copy-rules-wrong" />}
        {trial && <TrialResult trial={trial} />}
        <ol className="copy-rules" aria-label={text('storage.tab.rules')}>
          {draft.rules.map((rule, at) => (
            <RuleLine
              key={rule.name}
              rule={rule}
              stores={counting.stores}
              place={at + 1}
              edit={() => setEdited(at)}
              up={at > 0 ? () => change({ rules: moved(draft.rules, at, -1) }) : null}
              down={at < draft.rules.length - 1 ? () => change({ rules: moved(draft.rules, at, 1) }) : null}
              remove={() => change({ rules: draft.rules.filter((_, n) => n !== at) })}
            />
          ))}
          <RuleLine rule={counting.others} stores={counting.stores} place={draft.rules.length + 1} />
        </ol>
        {counting.at > 0 && (
          <p className="quiet">
            {text('copyRules.by', { version: counting.version, who: counting.by })} <Moment at={counting.at} />
          </p>
        )}
      </section>
      <section>
        <h2>{text('limits.title')}</h2>
        <LimitsForm limits={draft.limits} change={(limits) => change({ limits })} />
      </section>
      <RuleDialog
        key={edited === null ? 'none' : String(edited)}
        rule={edited === 'new' ? { ...counting.others, name: '' } : (opened ?? null)}
        others={draft.rules.filter((each) => each !== opened)}
        choices={counting}
        close={() => setEdited(null)}
        done={keep}
      />
    </>
  )
}

function bodyOf({ version, rules, limits }: CopyRules): RulesBody {
  return { version, rules, limits }
}
