/** Remote AEs: whom this node calls and for what, each with a test. */

import { App, Button, Popconfirm } from 'antd'
import { useState } from 'react'
import { useAction } from '../api/action'
import { post, put, remove } from '../api/client'
import type { Echo, Remote } from '../api/remote'
import { about, useResource } from '../api/resource'
import { useText } from '../language'
import { Mark } from '../shown/mark'
import { Listed } from './listed'
import { RemoteDialog } from './remote-dialog'

const USES = ['query', 'send', 'reports', 'worklist'] as const

export function Remotes() {
  const text = useText()
  const remotes = useResource<{ items: Remote[] }>('/api/remotes', about('remote'))
  const [edited, setEdited] = useState<Remote | 'new' | null>(null)
  const { reload } = remotes
  const usesOf = (each: Remote) =>
    USES.filter((use) => each[use])
      .map((use) => text(`remote.use.${use}`))
      .join(text('common.listMark'))
  return (
    <>
      <div className="page-actions">
        <Button type="primary" onClick={() => setEdited('new')} data-testid="remote-add">
          {text('remotes.add')}
        </Button>
        <span className="quiet">{text('remotes.how')}</span>
      </div>
      <Listed
        label={text('tab.remotes')}
        resource={remotes}
        keyOf={(each) => each.id}
        testIdOf={(each) => `remote-${each.id}`}
        empty={text('remotes.none')}
        headings={[
          { key: 'name', title: text('column.name'), className: 'lead', show: (each) => each.name },
          { key: 'aet', title: text('dicom.aet'), className: 'code', show: (each) => each.aet },
          {
            key: 'at',
            title: text('dicom.address'),
            className: 'code',
            show: (each) => `${each.host}:${each.port}${each.tls ? text('remote.tlsMark') : ''}`,
          },
          { key: 'uses', title: text('remote.uses'), show: usesOf },
          {
            key: 'charset',
            title: text('remote.charset'),
            className: 'wide',
            show: (each) => each.charset || text('remote.charsetOwn'),
          },
          {
            key: 'state',
            title: text('column.state'),
            show: (each) => (
              <Mark shape={each.enabled ? 'disc' : 'ring'} tone={each.enabled ? 'good' : 'quiet'}>
                {text(each.enabled ? 'remotes.on' : 'remotes.off')}
              </Mark>
            ),
          },
          {
            key: 'act',
            title: text('column.action'),
            show: (each) => <Buttons remote={each} edit={() => setEdited(each)} reload={reload} />,
          },
        ]}
      />
      <RemoteDialog
        key={edited === 'new' || edited === null ? 'new' : `${edited.id}/${edited.version}`}
        edited={edited}
        close={() => setEdited(null)}
        done={reload}
      />
    </>
  )
}

interface ButtonsProps {
  remote: Remote
  edit: () => void
  reload: () => void
}

function Buttons({ remote, edit, reload }: ButtonsProps) {
  const text = useText()
  const { message, notification } = App.useApp()
  const { busy, run } = useAction()
  const address = `/api/remotes/${remote.id}`
  const echo = async () => {
    await run(async () => {
      const { ok, message: words, ms } = await post<Echo>(`${address}/echo`)
      if (ok) void message.success(text('remotes.answers', { ms }))
      else notification.warning({ title: text('remotes.noAnswer'), description: words, duration: 10 })
    })
  }
  const change = async (act: () => Promise<unknown>) => {
    if (await run(act)) reload()
  }
  return (
    <span className="buttons">
      <Button size="small" onClick={() => void echo()} loading={busy} data-testid="remote-echo">
        {text('remotes.echo')}
      </Button>
      <Button size="small" onClick={edit} data-testid="remote-edit">
        {text('common.edit')}
      </Button>
      <Button
        size="small"
        disabled={busy}
        onClick={() => void change(() => put(address, { ...remote, enabled: !remote.enabled }))}
        data-testid="remote-toggle"
      >
        {text(remote.enabled ? 'common.disable' : 'common.enable')}
      </Button>
      <Popconfirm
        title={text('remotes.removeTitle')}
        description={text('remotes.removeHow')}
        okText={text('common.remove')}
        cancelText={text('common.cancel')}
        onConfirm={() => void change(() => remove(address))}
      >
        <Button size="small" danger disabled={busy} data-testid="remote-remove">
          {text('common.remove')}
        </Button>
      </Popconfirm>
    </span>
  )
}
