/** Where signed reports go: PACS of the hospital, each with a test. */

import { App, Button, Popconfirm } from 'antd'
import { useState } from 'react'
import { useAction } from '../api/action'
import type { Destination } from '../api/administration'
import { post, put, remove } from '../api/client'
import { about, useResource } from '../api/resource'
import { useText } from '../language'
import { Mark } from '../shown/mark'
import { DestinationDialog } from './destination-dialog'
import { Listed } from './listed'

export function Destinations() {
  const text = useText()
  const destinations = useResource<{ items: Destination[] }>('/api/remotes', about('remote'))
  const [edited, setEdited] = useState<Destination | 'new' | null>(null)
  const { reload } = destinations
  return (
    <>
      <div className="page-actions">
        <Button type="primary" onClick={() => setEdited('new')} data-testid="destination-add">
          {text('destinations.add')}
        </Button>
        <span className="quiet">{text('destinations.how')}</span>
      </div>
      <Listed
        label={text('tab.destinations')}
        resource={destinations}
        keyOf={(each) => each.id}
        testIdOf={(each) => `destination-${each.id}`}
        empty={text('destinations.none')}
        headings={[
          { key: 'name', title: text('column.name'), show: (each) => each.name },
          { key: 'aet', title: text('dicom.aet'), className: 'code', show: (each) => each.aet },
          { key: 'at', title: text('dicom.address'), className: 'code', show: (each) => `${each.host}:${each.port}` },
          {
            key: 'state',
            title: text('column.state'),
            show: (each) => (
              <Mark shape={each.enabled ? 'disc' : 'ring'} tone={each.enabled ? 'good' : 'quiet'}>
                {text(each.enabled ? 'destinations.on' : 'destinations.off')}
              </Mark>
            ),
          },
          {
            key: 'act',
            title: text('column.action'),
            show: (each) => <Buttons destination={each} edit={() => setEdited(each)} reload={reload} />,
          },
        ]}
      />
      <DestinationDialog
        key={edited === 'new' || edited === null ? 'new' : edited.id}
        edited={edited}
        close={() => setEdited(null)}
        done={reload}
      />
    </>
  )
}

interface ButtonsProps {
  destination: Destination
  edit: () => void
  reload: () => void
}

function Buttons({ destination, edit, reload }: ButtonsProps) {
  const text = useText()
  const { message, notification } = App.useApp()
  const { busy, run } = useAction()
  const address = `/api/remotes/${destination.id}`
  const echo = async () => {
    await run(async () => {
      const { ok, message: words } = await post<{ ok: boolean; message: string }>(`${address}/echo`)
      if (ok) void message.success(text('destinations.answers'))
      else notification.warning({ title: text('destinations.noAnswer'), description: words, duration: 10 })
    })
  }
  const change = async (act: () => Promise<unknown>) => {
    if (await run(act)) reload()
  }
  return (
    <span className="buttons">
      <Button size="small" onClick={() => void echo()} loading={busy} data-testid="destination-echo">
        {text('destinations.echo')}
      </Button>
      <Button size="small" onClick={edit} data-testid="destination-edit">
        {text('common.edit')}
      </Button>
      <Button
        size="small"
        disabled={busy}
        onClick={() => void change(() => put(address, { ...destination, enabled: !destination.enabled }))}
        data-testid="destination-toggle"
      >
        {text(destination.enabled ? 'common.disable' : 'common.enable')}
      </Button>
      <Popconfirm
        title={text('destinations.removeTitle')}
        description={text('destinations.removeHow')}
        okText={text('common.remove')}
        cancelText={text('common.cancel')}
        onConfirm={() => void change(() => remove(address))}
      >
        <Button size="small" danger disabled={busy} data-testid="destination-remove">
          {text('common.remove')}
        </Button>
      </Popconfirm>
    </span>
  )
}
