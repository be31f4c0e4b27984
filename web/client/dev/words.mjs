/** Finds text that stands in the code instead of the catalogue, and the keys that the code uses. */

import { parseSync } from 'vite'

const LETTERS = /\p{L}{2,}/u
const CHINESE = /[\u3400-\u9fff\uf900-\ufaff]/
/** Attributes and properties whose value a person reads. */
const READ = new Set([
  'title', 'label', 'placeholder', 'aria-label', 'alt', 'description', 'extra', 'message',
  'okText', 'cancelText', 'summary', 'help', 'tooltip', 'notFoundContent',
])

/** Texts of a source file that a person would read, with their lines. */
export function findHardCoded(code, name) {
  const found = []
  const report = (node, text) => found.push({ file: name, line: lineOf(code, node.start), text: text.trim() })
  walk(parse(code, name), (node, parent) => {
    if (node.type === 'JSXText' && LETTERS.test(node.value)) report(node, node.value)
    if (node.type !== 'Literal' || typeof node.value !== 'string') return
    if (CHINESE.test(node.value)) report(node, node.value)
    else if (parent?.type === 'JSXAttribute' && READ.has(attributeName(parent)) && LETTERS.test(node.value))
      report(node, node.value)
    else if (parent?.type === 'JSXExpressionContainer' && LETTERS.test(node.value)) report(node, node.value)
  })
  return found
}

/** Strings of a source file, and the beginnings of its templates: what can name a key. */
export function stringsOf(code, name) {
  const whole = new Set()
  const beginnings = new Set()
  walk(parse(code, name), (node) => {
    if (node.type === 'Literal' && typeof node.value === 'string') whole.add(node.value)
    if (node.type === 'TemplateLiteral' && node.expressions.length > 0) beginnings.add(node.quasis[0].value.cooked)
  })
  return { whole, beginnings }
}

/** What is wrong with an entry of the catalogue; nothing when all is well. */
export function entryFaults(key, entry) {
  const faults = ['zh', 'en'].filter((language) => !entry[language]?.trim()).map((language) => `${key} has no ${language}`)
  const wanted = placesOf(entry.zh ?? '')
  for (const language of ['en', 'one']) {
    if (entry[language] === undefined) continue
    const places = placesOf(entry[language])
    const spare = new Set(language === 'one' ? ['count', ...wanted] : wanted)
    if (language === 'en' && places.join() !== wanted.join()) faults.push(`${key}: ${language} puts in other values than zh`)
    if (places.some((place) => !spare.has(place))) faults.push(`${key}: ${language} puts in a value that zh has not`)
  }
  return faults
}

function placesOf(text) {
  return [...new Set([...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]))].sort()
}

function parse(code, name) {
  return parseSync(name, code, { lang: name.endsWith('x') ? 'tsx' : 'ts' }).program
}

function walk(node, visit, parent = null) {
  if (!node || typeof node.type !== 'string') return
  visit(node, parent)
  for (const [name, value] of Object.entries(node)) {
    if (name === 'parent') continue
    if (Array.isArray(value)) value.forEach((child) => walk(child, visit, node))
    else if (value && typeof value === 'object') walk(value, visit, node)
  }
}

function attributeName(attribute) {
  return attribute.name?.name ?? ''
}

function lineOf(code, offset) {
  return code.slice(0, offset).split('\n').length
}
