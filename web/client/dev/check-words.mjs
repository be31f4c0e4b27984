/** Every text in the catalogue, in both languages; every key used; no text in the code. Exit 1 says what is not so. */

import { readFileSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformWithOxc } from 'vite'
import { entryFaults, findHardCoded, stringsOf } from './words.mjs'

const SOURCE = fileURLToPath(new URL('../src', import.meta.url))

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.test.ts') && !name.endsWith('.d.ts') && name !== 'catalogue.ts')
  .map((name) => join(SOURCE, name))

const catalogue = await readCatalogue()
const faults = Object.entries(catalogue).flatMap(([key, entry]) => entryFaults(key, entry))
const whole = new Set()
const beginnings = new Set()

for (const file of files) {
  const code = readFileSync(file, 'utf8')
  const name = relative(SOURCE, file)
  for (const { line, text } of findHardCoded(code, name)) faults.push(`${name}:${line} has text of its own: ${text}`)
  const strings = stringsOf(code, name)
  strings.whole.forEach((each) => whole.add(each))
  strings.beginnings.forEach((each) => beginnings.add(each))
}
for (const key of Object.keys(catalogue)) {
  const used = whole.has(key) || [...beginnings].some((beginning) => beginning.includes('.') && key.startsWith(beginning))
  if (!used) faults.push(`${key} is in the catalogue and nowhere used`)
}

if (faults.length > 0) {
  console.error(`The catalogue and the code differ:\n  ${faults.join('\n  ')}`)
  process.exit(1)
}
console.log(`${Object.keys(catalogue).length} texts in two languages, all used; none in the code.`)

/** The catalogue as the pages read it: its types taken off, its values kept. */
async function readCatalogue() {
  const path = join(SOURCE, 'catalogue.ts')
  const { code } = await transformWithOxc(readFileSync(path, 'utf8'), path)
  const module = await import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`)
  return module.catalogue
}
