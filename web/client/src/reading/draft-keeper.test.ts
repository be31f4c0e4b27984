import { expect, test } from 'vitest'
import { ApiError } from '../api/client'
import type { Draft } from '../api/types'
import { DraftKeeper, type DraftPort, type Kept } from './draft-keeper'

/** A node's draft and this machine's shelf, in memory; time passes by `tick`. */
class Desk implements DraftPort {
  stored: Draft = { version: 3, findings: 'old', impression: '', at: 1 }
  shelf: Kept | null = null
  online = true
  private waiting: (() => void) | null = null

  load = () => Promise.resolve({ ...this.stored })
  save = ({ version, findings, impression }: Kept) => {
    if (!this.online) return Promise.reject(new ApiError(0, 'offline', ''))
    if (version !== this.stored.version) return Promise.reject(new ApiError(409, 'conflict', ''))
    this.stored = { version: version + 1, findings, impression, at: version + 1 }
    return Promise.resolve({ version: version + 1, at: version + 1 })
  }
  kept = {
    read: () => this.shelf,
    write: (kept: Kept) => {
      this.shelf = kept
    },
    clear: () => {
      this.shelf = null
    },
  }
  later = (act: () => void) => {
    this.waiting = act
    return () => {
      this.waiting = null
    }
  }
  async tick() {
    const act = this.waiting
    this.waiting = null
    act?.()
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
  }
}

async function opened(desk: Desk) {
  const keeper = new DraftKeeper(desk, () => undefined)
  await keeper.open()
  return keeper
}

test('what is typed is put aside at once and forgotten when the node has it', async () => {
  const desk = new Desk()
  const keeper = await opened(desk)
  keeper.write({ findings: 'new' })
  expect(desk.shelf?.findings).toBe('new')
  await desk.tick()
  expect(desk.stored.findings).toBe('new')
  expect(keeper.state.status).toBe('saved')
  expect(desk.shelf).toBeNull()
})

test('words survive a node that is away, and a page that is closed meanwhile', async () => {
  const desk = new Desk()
  const keeper = await opened(desk)
  desk.online = false
  keeper.write({ impression: 'nodule' })
  await desk.tick()
  expect(keeper.state.status).toBe('failed')
  keeper.leave()

  desk.online = true
  const again = await opened(desk)
  expect(again.state.impression).toBe('nodule')
  await desk.tick()
  expect(desk.stored.impression).toBe('nodule')
})

test('a draft that somebody else changed is shown, and nobody is overwritten', async () => {
  const desk = new Desk()
  const keeper = await opened(desk)
  desk.stored = { version: 4, findings: 'theirs', impression: '', at: 9 }
  keeper.write({ findings: 'mine' })
  await desk.tick()
  expect(keeper.state.status).toBe('conflict')
  expect(keeper.state.findings).toBe('mine')
  expect(keeper.state.theirs?.findings).toBe('theirs')
  expect(desk.stored.findings).toBe('theirs')
  await keeper.keepMine()
  expect(desk.stored.findings).toBe('mine')
})

test('their words can be taken after a conflict', async () => {
  const desk = new Desk()
  const keeper = await opened(desk)
  desk.stored = { version: 4, findings: 'theirs', impression: '', at: 9 }
  keeper.write({ findings: 'mine' })
  await desk.tick()
  keeper.takeTheirs()
  expect(keeper.state).toMatchObject({ findings: 'theirs', version: 4, status: 'saved' })
  expect(desk.shelf).toBeNull()
})

test('a save whose answer was lost is no conflict', async () => {
  const desk = new Desk()
  const keeper = await opened(desk)
  keeper.write({ findings: 'mine' })
  desk.stored = { version: 4, findings: 'mine', impression: '', at: 9 }
  await desk.tick()
  expect(keeper.state).toMatchObject({ status: 'saved', version: 4 })
})

test('nothing is written after signing', async () => {
  const desk = new Desk()
  const keeper = await opened(desk)
  keeper.close()
  keeper.write({ findings: 'late' })
  expect(keeper.state.status).toBe('closed')
  expect(desk.shelf).toBeNull()
})
