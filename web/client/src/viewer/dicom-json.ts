/** Reading of the DICOM JSON model. Source: DICOM PS3.18 F.2. Pure. */

export interface Element {
  vr: string
  Value?: unknown[]
  InlineBinary?: string
  BulkDataURI?: string
}

export type DataSet = Record<string, Element | undefined>

export function text(set: DataSet, tag: string): string {
  const value = set[tag]?.Value?.[0]
  if (typeof value === 'string') return value.trim()
  return typeof value === 'number' ? String(value) : ''
}

/** The first number of an element; null when it is absent or none. */
export function number(set: DataSet, tag: string): number | null {
  return numbers(set, tag)[0] ?? null
}

/** All numbers of an element; none when any of its values is no number. */
export function numbers(set: DataSet, tag: string): number[] {
  const values = (set[tag]?.Value ?? []).map((value) => (value === null || value === '' ? NaN : Number(value)))
  return values.every(Number.isFinite) ? values : []
}

/** The items of a sequence. */
export function items(set: DataSet, tag: string): DataSet[] {
  return (set[tag]?.Value ?? []).filter((item): item is DataSet => typeof item === 'object' && item !== null)
}

/** The bytes of an element that stands inline; null when they are elsewhere. */
export function inlineBytes(set: DataSet, tag: string): Uint8Array | null {
  const encoded = set[tag]?.InlineBinary
  if (encoded === undefined) return null
  return Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0))
}
