/** The build fails when a page before the reading room needs more script than a slow line should carry. */

import { brotliCompressSync } from 'node:zlib'
import type { Plugin } from 'vite'

const BUDGET_BYTES = 350 * 1024
/** Where the reading room begins: what only it needs does not count. */
const READING_ROOM = /\/viewer\/(viewer|decode|decode-worker)\.tsx?$/

export function scriptBudget(): Plugin {
  return {
    name: 'script-budget',
    apply: 'build',
    generateBundle(_options, bundle) {
      const counted = new Set<string>()
      let bytes = 0
      const count = (name: string): void => {
        const chunk = bundle[name]
        if (counted.has(name) || chunk?.type !== 'chunk') return
        if (chunk.facadeModuleId && READING_ROOM.test(chunk.facadeModuleId)) return
        counted.add(name)
        bytes += brotliCompressSync(chunk.code).length
        chunk.imports.forEach(count)
        chunk.dynamicImports.forEach(count)
      }
      for (const [name, chunk] of Object.entries(bundle)) {
        if (chunk.type === 'chunk' && chunk.isEntry) count(name)
      }
      const words = `Script of all pages before the reading room: ${(bytes / 1024).toFixed(0)} of ${BUDGET_BYTES / 1024} KiB (brotli).`
      if (bytes > BUDGET_BYTES) this.error(`${words} Load something lazily, or leave it out.`)
      else this.info(words)
    },
  }
}
