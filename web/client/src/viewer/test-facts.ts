/** What browser tests read of the viewer: facts to wait for and to find places by; they assert on pixels and text. */

import type { StackFacts } from './stack'

declare global {
  interface Window {
    /** Read only. */
    readonly __meridian?: { viewer: StackFacts | null }
  }
}

let facts: StackFacts | null = null

Object.defineProperty(window, '__meridian', {
  value: Object.freeze({
    get viewer() {
      return facts
    },
  }),
})

export function publishFacts(next: StackFacts | null): void {
  facts = next === null ? null : Object.freeze({ ...next })
}
