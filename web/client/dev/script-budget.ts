/** The build fails when a page before the reading room needs more script than a slow line should carry. */

import { brotliCompressSync } from 'node:zlib'
import type { Plugin } from 'vite'

/** What one page needs, with all that it stands on: what a person waits for. */
const PAGE_BYTES = 350 * 1024
/** What somebody carries who opens every page, an administrator's among them. */
const ALL_BYTES = 400 * 1024
/** Where the reading room begins: what only it needs does not count. */
const READING_ROOM = /\/viewer\/(viewer|decode|decode-worker)\.tsx?$/

export function scriptBudget(): Plugin {
  return {
    name: 'script-budget',
    apply: 'build',
    generateBundle(_options, bundle) {
      const sizes = new Map<string, number>()
      const sizeOf = (name: string): number => {
        const chunk = bundle[name]
        if (chunk?.type !== 'chunk') return 0
        const known = sizes.get(name) ?? brotliCompressSync(chunk.code).length
        sizes.set(name, known)
        return known
      }
      /** Gather a chunk and what it stands on; give what it loads later. */
      const gather = (name: string, into: Set<string>): string[] => {
        const chunk = bundle[name]
        if (into.has(name) || chunk?.type !== 'chunk') return []
        into.add(name)
        return [...chunk.dynamicImports, ...chunk.imports.flatMap((each) => gather(each, into))]
      }
      const isReadingRoom = (name: string): boolean => {
        const chunk = bundle[name]
        return chunk?.type === 'chunk' && READING_ROOM.test(chunk.facadeModuleId ?? '')
      }
      const first = new Set<string>()
      const waiting = Object.entries(bundle).flatMap(([name, chunk]) =>
        chunk.type === 'chunk' && chunk.isEntry ? gather(name, first) : [],
      )
      const all = new Set(first)
      let heaviest = { name: 'the first page', bytes: total(first, sizeOf) }
      const pages = new Set<string>()
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        if (pages.has(next) || isReadingRoom(next)) continue
        pages.add(next)
        const page = new Set(first)
        waiting.push(...gather(next, page))
        page.forEach((each) => all.add(each))
        const bytes = total(page, sizeOf)
        if (bytes > heaviest.bytes) heaviest = { name: next, bytes }
      }
      const everything = total(all, sizeOf)
      const words =
        `Script before the reading room (brotli): ${kib(heaviest.bytes)} of ${kib(PAGE_BYTES)} KiB for the heaviest page,` +
        ` ${kib(everything)} of ${kib(ALL_BYTES)} KiB for all of them.`
      if (heaviest.bytes > PAGE_BYTES || everything > ALL_BYTES)
        this.error(`${words} Load something lazily, or leave it out (${heaviest.name}).`)
      else this.info(words)
    },
  }
}

function total(names: Set<string>, sizeOf: (name: string) => number): number {
  return [...names].reduce((bytes, name) => bytes + sizeOf(name), 0)
}

function kib(bytes: number): string {
  return (bytes / 1024).toFixed(0)
}
