/**
 * Presses in the viewer count at once.
 *
 * Cornerstone3D Tools holds a press back for 400 ms, in case it is half of a double click, which means nothing here.
 * What is done in that time goes wrong: a length whose last click was followed by a click on the toolbar stayed in
 * hand and grew under the mouse. The wait is a constant of one of its files, so it is changed while building; a
 * version that has it elsewhere fails the build.
 */

import type { Plugin } from 'vite'

const FILE = /@cornerstonejs\/tools\/dist\/esm\/eventListeners\/mouse\/mouseDownListener\.js$/
const WAIT = 'const DOUBLE_CLICK_TOLERANCE_MS = 400;'

export function pressesAtOnce(): Plugin {
  let found = false
  return {
    name: 'presses-at-once',
    apply: 'build',
    transform(code, id) {
      if (!FILE.test(id.replaceAll('\\', '/')) || !code.includes(WAIT)) return null
      found = true
      return { code: code.replace(WAIT, 'const DOUBLE_CLICK_TOLERANCE_MS = 0;'), map: null }
    },
    buildEnd(error) {
      if (!error && !found) this.error('Cornerstone3D Tools no longer waits for double clicks where it did: see dev/presses-at-once.ts.')
    },
  }
}
