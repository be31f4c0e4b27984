/** Final deletion: what may go, what waits for another administrator, what is being erased, and the certificates. */

import { Button, Form, Input, Popconfirm } from 'antd'
import { useState } from 'react'
import { useSearchParams } from 'react-router'
import { useAction } from '../api/action'
import { post } from '../api/client'
import { DELETIONS, type Deletion, type Deletions, type Left, type NamedStudy, type PeerAnswer } from '../api/deletion'
import { about, useResource } from '../api/resource'
import { useLanguage, useText } from '../language'
import { Waiting } from '../session/guard'
import { useSession } from '../session/session'
import { Failure } from '../shown/failure'
import { Mark, type Shape, type Tone } from '../shown/mark'
import { Moment } from '../shown/moment'
import { byteSize } from '../shown/size'
import { dayWord } from '../shown/times'
import { ApproveDialog, AskDialog } from './deletion-dialogs'
import { codeWord, keptWord } from './deletion-words'
import { StudyLine } from './going'
import { useAskedAgain } from './asked-again'

const PEERS: Record<PeerAnswer['state'], { shape: Shape; tone: Tone }> = {
  due: { shape: 'ring', tone: 'quiet' },
  told: { shape: 'half', tone: 'warn' },
  deleted: { shape: 'disc', tone: 'good' },
  kept: { shape: 'triangle', tone: 'warn' },
}
type StudyName = Pick<NamedStudy, 'origin' | 'studyUid'>

export function DeletionTab() {
  const text = useText()
  const { value, error, reload } = useResource<Deletions>(DELETIONS, about('study'))
  const [parameters, setParameters] = useSearchParams()
  const [approving, setApproving] = useState<Deletion | null>(null)
  useAskedAgain(reload, (value?.going.length ?? 0) > 0)
  const asking = studyIn(parameters.get('study'))
  const ask = (study: StudyName | null) => setParameters(study ? { study: `${study.origin}/${study.studyUid}` } : {})
  if (!value) return error ? <Failure error={error} again={reload} /> : <Waiting />
  return (
    <>
      {error && <Failure error={error} again={reload} />}
      <p className="quiet">{text('deletion.how')}</p>
      <section>
        <h2>{text('deletion.asked')}</h2>
        {value.asked.length === 0 && <div className="empty" data-testid="deletions-asked-empty">{text('deletion.noneAsked')}</div>}
        {value.asked.map((each) => (
          <Asked key={each.id} deletion={each} approve={() => setApproving(each)} done={reload} />
        ))}
      </section>
      <section>
        <h2>{text('deletion.past')}</h2>
        {value.past.length === 0 && <div className="empty" data-testid="deletions-past-empty">{text('deletion.nonePast')}</div>}
        {value.past.map((each) => (
          <article key={each.study.studyUid} className="card transfer" data-testid={`past-${each.study.studyUid}`}>
            <header>
              <StudyLine study={each.study} />
              <Since at={each.since} />
              <Button danger onClick={() => ask(each.study)} data-testid="deletion-ask">
                {text('deletion.ask')}
              </Button>
            </header>
          </article>
        ))}
        <Other ask={ask} />
      </section>
      {value.going.length > 0 && (
        <section>
          <h2>{text('deletion.going')}</h2>
          {value.going.map((each) => (
            <GoingLine key={each.id} deletion={each} />
          ))}
        </section>
      )}
      <section>
        <h2>{text('deletion.done')}</h2>
        {value.done.length === 0 && <div className="empty" data-testid="deletions-done-empty">{text('deletion.noneDone')}</div>}
        {value.done.map((each) => (
          <Done key={each.id} deletion={each} />
        ))}
      </section>
      <AskDialog study={asking} close={() => ask(null)} done={reload} />
      <ApproveDialog deletion={approving} close={() => setApproving(null)} done={reload} />
    </>
  )
}

function studyIn(written: string | null): StudyName | null {
  const [origin, studyUid] = (written ?? '').split('/')
  return origin && studyUid ? { origin, studyUid } : null
}

/** Any other study, by its number: a page that names no patient cannot offer more. */
function Other({ ask }: { ask: (study: StudyName) => void }) {
  const text = useText()
  const { me } = useSession()
  const [form] = Form.useForm<{ uid: string }>()
  return (
    <Form
      form={form}
      layout="inline"
      requiredMark={false}
      className="other-study"
      onFinish={({ uid }) => ask({ origin: me?.node.id ?? '', studyUid: uid.trim() })}
    >
      <Form.Item name="uid" label={text('deletion.other')} rules={[{ required: true, whitespace: true, message: text('form.missing') }]}>
        <Input data-testid="deletion-other" className="code" maxLength={64} />
      </Form.Item>
      <Button htmlType="submit" danger data-testid="deletion-other-ask">
        {text('deletion.ask')}
      </Button>
    </Form>
  )
}

function Since({ at }: { at: number }) {
  const text = useText()
  const language = useLanguage()
  return <span className="quiet">{text('deletion.over', { day: dayWord(at, language) })}</span>
}

function Asked({ deletion, approve, done }: { deletion: Deletion; approve: () => void; done: () => void }) {
  const text = useText()
  const language = useLanguage()
  const { busy, run } = useAction()
  const withdraw = async () => {
    if (await run(() => post(`${DELETIONS}/${deletion.id}/withdraw`))) done()
  }
  return (
    <article className="card transfer" data-testid={`deletion-${deletion.id}`}>
      <header>
        <StudyLine study={deletion.study} />
        <span className="quiet tabular">
          {text('images.count', { count: deletion.study.instances })} · {byteSize(deletion.study.bytes, language)}
        </span>
      </header>
      <p>
        {text('deletion.askedBy', { who: deletion.askedBy, why: codeWord(deletion.code, text) })} {deletion.words}{' '}
        <span className="quiet">
          <Moment at={deletion.askedAt} /> · {text('deletion.stands')} <Moment at={deletion.standsUntil} />
        </span>
      </p>
      <div className="buttons">
        {deletion.mine ? (
          <span className="mark quiet" data-testid="deletion-mine">
            {text('deletion.mine')}
          </span>
        ) : (
          <Button danger type="primary" onClick={approve} data-testid="deletion-approve">
            {text('deletion.approve')}
          </Button>
        )}
        <Popconfirm
          title={text('deletion.withdrawSure')}
          onConfirm={() => void withdraw()}
          okText={text('deletion.withdraw')}
          cancelText={text('common.cancel')}
          okButtonProps={{ 'data-testid': 'deletion-withdraw-confirm' }}
        >
          <Button loading={busy} data-testid="deletion-withdraw">
            {text('deletion.withdraw')}
          </Button>
        </Popconfirm>
      </div>
    </article>
  )
}

function GoingLine({ deletion }: { deletion: Deletion }) {
  const text = useText()
  return (
    <article className="card transfer" data-testid={`deletion-${deletion.id}`}>
      <header>
        <Mark shape="half" tone="busy" testId="deletion-state">
          {text('deletion.state.deleted')}
        </Mark>
        <StudyLine study={deletion.study} />
        <By deletion={deletion} />
      </header>
      <ul className="left">
        {deletion.left.map((each) => (
          <LeftLine key={`${each.kind} ${each.store}`} left={each} />
        ))}
      </ul>
      <Peers peers={deletion.peers} />
    </article>
  )
}

function LeftLine({ left }: { left: Left }) {
  const text = useText()
  return (
    <li>
      {text(`deletionLeft.${left.kind}`, { count: left.things, store: left.store })}{' '}
      {left.words && <span className="quiet">{left.words}</span>}
    </li>
  )
}

function Done({ deletion }: { deletion: Deletion }) {
  const text = useText()
  const language = useLanguage()
  const kept = deletion.state === 'kept'
  const address = `${DELETIONS}/${deletion.id}/certificate`
  return (
    <article className="card transfer" data-testid={`deletion-${deletion.id}`}>
      <header>
        <Mark shape={kept ? 'triangle' : 'disc'} tone={kept ? 'warn' : 'good'} testId="deletion-state">
          {kept ? text('deletion.state.kept', { why: keptWord(deletion.code, text) }) : text('deletion.state.done')}
        </Mark>
        <StudyLine study={deletion.study} />
        {!kept && <By deletion={deletion} />}
      </header>
      {!kept && (
        <div className="buttons">
          <a className="button" href={address} download data-testid="certificate-file">
            {text('deletion.certificate')}
          </a>
          <a className="button" href={`${address}.html?language=${language}`} target="_blank" rel="noreferrer" data-testid="certificate-page">
            {text('deletion.print')}
          </a>
          <span className="quiet">{text('deletion.issue', { issue: deletion.issue })}</span>
        </div>
      )}
      <Peers peers={deletion.peers} />
    </article>
  )
}

function By({ deletion }: { deletion: Deletion }) {
  const text = useText()
  return (
    <span className="quiet">
      {text('deletion.by', { asked: deletion.askedBy, approved: deletion.endedBy, why: codeWord(deletion.code, text) })}{' '}
      {deletion.endedAt !== null && <Moment at={deletion.endedAt} />}
    </span>
  )
}

function Peers({ peers }: { peers: PeerAnswer[] }) {
  const text = useText()
  if (peers.length === 0) return null
  return (
    <ul className="left" data-testid="deletion-peers">
      {peers.map((each) => (
        <li key={each.peer}>
          <Mark {...PEERS[each.state]} testId={`deletion-peer-${each.peer}`}>
            {each.peer} {text(`deletionPeer.${each.state}`)} {each.code && keptWord(each.code, text)}
          </Mark>{' '}
          {each.at !== null && <Moment at={each.at} />}
        </li>
      ))}
    </ul>
  )
}
