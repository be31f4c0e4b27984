/**
 * Presses in the viewer count at once.
 *
 * Cornerstone3D Tools holds a press back for 400 ms, in case it is half of a double click, which means nothing here.
 * What is done in that time goes wrong: a length whose last click was followed by a click on the toolbar stayed in
 * hand and grew under the mouse, and a second press was dropped. A wait of no time is still a timer, which a busy page
 * runs after the next press; so the press is passed on where it is heard. The lines are changed while building; a
 * version that has them elsewhere fails the build.
 */

import type { Plugin } from 'vite'

const FILE = /@cornerstonejs\/tools\/dist\/esm\/eventListeners\/mouse\/mouseDownListener\.js$/
const HELD_BACK = /doubleClickState\.doubleClickTimeout = setTimeout\(_doStateMouseDownAndUp, [^;]*\);/
const HEARD = /(function mouseDownListener[\s\S]*?document\.addEventListener\('mousemove', _onMouseDrag\);)/

export function pressesAtOnce(): Plugin {
  let found = false
  return {
    name: 'presses-at-once',
    apply: 'build',
    transform(code, id) {
      if (!FILE.test(id.replaceAll('\\', '/')) || !HELD_BACK.test(code) || !HEARD.test(code)) return null
      found = true
      return { code: code.replace(HELD_BACK, '').replace(HEARD, '$1\n    _doStateMouseDownAndUp();'), map: null }
    },
    buildEnd(error) {
      if (!error && !found) this.error('Cornerstone3D Tools no longer holds presses back where it did: see dev/presses-at-once.ts.')
    },
  }
}
