/**
 * The text of a report on its way to the node: nothing typed is ever lost.
 *
 * Each change is put aside on this machine at once, saved at the node after a
 * short rest, and forgotten here only when the node has acknowledged it. Network,
 * storage and time come from outside.
 */

import { ApiError } from '../api/client'
import type { Draft, Micros } from '../api/types'

export interface Words {
  findings: string
  impression: string
}

/** Words put aside, and the version they were written upon. */
export interface Kept extends Words {
  version: number
}

export interface DraftPort {
  load: () => Promise<Draft>
  save: (draft: Kept) => Promise<{ version: number; at: Micros }>
  kept: { read: () => Kept | null; write: (kept: Kept) => void; clear: () => void }
  /** Call back after some milliseconds; answers how to call it off. */
  later: (act: () => void, ms: number) => () => void
}

export interface DraftState extends Words {
  version: number
  savedAt: Micros | null
  status: 'loading' | 'saved' | 'unsaved' | 'saving' | 'failed' | 'conflict' | 'closed'
  /** What somebody else saved meanwhile; a person chooses. */
  theirs: Draft | null
}

export const REST_MS = 800
export const RETRY_MS = 5000

export class DraftKeeper {
  state: DraftState = { findings: '', impression: '', version: 0, savedAt: null, status: 'loading', theirs: null }
  private callOff: () => void = () => undefined
  private sending: Promise<void> | null = null

  constructor(
    private readonly port: DraftPort,
    private readonly changed: (state: DraftState) => void,
  ) {}

  /** Read the node's draft; words put aside here and never acknowledged come back. */
  async open(): Promise<void> {
    const draft = await this.port.load()
    const kept = this.port.kept.read()
    const { version, findings, impression, at } = draft
    const savedAt = version > 0 ? at : null
    if (!kept || same(kept, draft)) {
      this.port.kept.clear()
      this.become({ version, findings, impression, savedAt, status: 'saved', theirs: null })
      return
    }
    const ours = { findings: kept.findings, impression: kept.impression, savedAt }
    if (kept.version === version) {
      this.become({ ...ours, version, status: 'unsaved', theirs: null })
      this.rest(0)
    } else this.become({ ...ours, version: kept.version, status: 'conflict', theirs: draft })
  }

  /** Take what was typed. */
  write(words: Partial<Words>): void {
    if (this.state.status === 'loading' || this.state.status === 'closed') return
    const { findings, impression, version } = { ...this.state, ...words }
    this.port.kept.write({ findings, impression, version })
    const status = this.state.status === 'conflict' ? 'conflict' : 'unsaved'
    this.become({ findings, impression, status })
    if (status === 'unsaved') this.rest(REST_MS)
  }

  /** Save now what is not saved; answers whether all of it is at the node. */
  async flush(): Promise<boolean> {
    this.callOff()
    if (this.sending) await this.sending
    if (this.state.status === 'unsaved' || this.state.status === 'failed') await this.send()
    return this.state.status === 'saved'
  }

  /** After a conflict: my words replace theirs. */
  async keepMine(): Promise<void> {
    const { theirs, findings, impression } = this.state
    if (!theirs) return
    this.port.kept.write({ findings, impression, version: theirs.version })
    this.become({ version: theirs.version, status: 'unsaved', theirs: null })
    await this.flush()
  }

  /** After a conflict: their words replace mine. */
  takeTheirs(): void {
    const { theirs } = this.state
    if (!theirs) return
    const { version, findings, impression, at } = theirs
    this.port.kept.clear()
    this.become({ version, findings, impression, savedAt: at, status: 'saved', theirs: null })
  }

  /** Signed: there is no draft any more. */
  close(): void {
    this.callOff()
    this.port.kept.clear()
    this.become({ status: 'closed', theirs: null })
  }

  /** The page goes away; what is put aside stays. */
  leave(): void {
    this.callOff()
  }

  private rest(ms: number): void {
    this.callOff()
    this.callOff = this.port.later(() => void this.flush(), ms)
  }

  private send(): Promise<void> {
    this.sending = this.sendOnce().finally(() => {
      this.sending = null
    })
    return this.sending
  }

  private async sendOnce(): Promise<void> {
    const { findings, impression, version } = this.state
    this.become({ status: 'saving' })
    try {
      const saved = await this.port.save({ findings, impression, version })
      const current = this.state.findings === findings && this.state.impression === impression
      if (current) this.port.kept.clear()
      else this.port.kept.write({ ...wordsOf(this.state), version: saved.version })
      this.become({ version: saved.version, savedAt: saved.at, status: current ? 'saved' : 'unsaved' })
      if (!current) this.rest(REST_MS)
    } catch (error) {
      await this.failed(error)
    }
  }

  private async failed(error: unknown): Promise<void> {
    if (error instanceof ApiError && error.code === 'conflict') {
      const theirs = await this.port.load().catch(() => null)
      if (theirs && theirs.version !== this.state.version) {
        if (same(theirs, this.state)) this.takeSame(theirs)
        else this.become({ status: 'conflict', theirs })
        return
      }
    }
    this.become({ status: 'failed' })
    this.rest(RETRY_MS)
  }

  /** Our own save arrived, and only its answer was lost. */
  private takeSame({ version, at }: Draft): void {
    this.port.kept.clear()
    this.become({ version, savedAt: at, status: 'saved', theirs: null })
  }

  private become(next: Partial<DraftState>): void {
    this.state = { ...this.state, ...next }
    this.changed(this.state)
  }
}

function wordsOf({ findings, impression }: Words): Words {
  return { findings, impression }
}

function same(a: Words, b: Words): boolean {
  return a.findings === b.findings && a.impression === b.impression
}
