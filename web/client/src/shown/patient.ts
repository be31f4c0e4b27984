/** A patient's attributes in words, from DICOM's own forms. Pure. */

import type { Text } from '../language'
import type { Language } from '../language'

const IDEOGRAPHIC = /[\u3400-\u9fff\uf900-\ufaff]/

/**
 * A person name for reading: the group of the viewer's script first.
 *
 * Source: DICOM PS3.5 6.2.1 (PN: groups by `=`, components by `^`).
 */
export function personName(written: string, language: Language): string {
  const groups = written.split('=').map(joined).filter(Boolean)
  if (groups.length === 0) return ''
  const chinese = groups.find((group) => IDEOGRAPHIC.test(group))
  const latin = groups.find((group) => !IDEOGRAPHIC.test(group))
  if (!chinese) return latin ?? ''
  if (!latin) return chinese
  return language === 'zh' ? `${chinese} ${latin}` : `${latin} ${chinese}`
}

function joined(group: string): string {
  const parts = group.split('^').map((part) => part.trim())
  const [family = '', given = '', middle = '', prefix = '', suffix = ''] = parts
  const between = IDEOGRAPHIC.test(group) ? '' : ' '
  return [prefix, family, given, middle, suffix].filter(Boolean).join(between)
}

export function sexWord(sex: string, text: Text): string {
  switch (sex.toUpperCase()) {
    case 'M':
      return text('sex.male')
    case 'F':
      return text('sex.female')
    case 'O':
      return text('sex.other')
    default:
      return text('sex.unknown')
  }
}

/**
 * The age on the day of the study: as written, else from the birth date.
 *
 * Source: DICOM PS3.5 6.2 (AS: `052Y`, `018M`, `003W`, `010D`).
 */
export function ageWord(age: string, birthDate: string, studyDate: string, text: Text): string {
  const written = /^(\d{1,3})([YMWD])$/.exec(age.trim())
  if (written) return text(AGE_KEYS[written[2] as keyof typeof AGE_KEYS], { count: Number(written[1]) })
  const years = yearsBetween(birthDate, studyDate)
  return years === null ? text('age.unknown') : text('age.years', { count: years })
}

const AGE_KEYS = { Y: 'age.years', M: 'age.months', W: 'age.weeks', D: 'age.days' } as const

function yearsBetween(from: string, to: string): number | null {
  if (!/^\d{8}$/.test(from) || !/^\d{8}$/.test(to)) return null
  const years = Number(to.slice(0, 4)) - Number(from.slice(0, 4)) - (to.slice(4) < from.slice(4) ? 1 : 0)
  return years >= 0 && years < 150 ? years : null
}
