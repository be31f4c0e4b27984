/** Which language the pages speak, and the one function that gives text. */

import i18next from 'i18next'
import { useCallback } from 'react'
import { initReactI18next, useTranslation } from 'react-i18next'
import { catalogue, type Key } from './catalogue'

export type Language = 'zh' | 'en'
export type Values = Record<string, string | number>
export type Text = (key: Key, values?: Values) => string

const KEPT = 'meridian.language'
export const TAGS: Record<Language, string> = { zh: 'zh-CN', en: 'en-GB' }

/** The catalogue as i18next takes it; Intl's plural classes are `_one` and `_other`. */
export function translations(language: Language): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const [key, entry] of Object.entries(catalogue)) {
    if ('one' in entry) {
      texts[`${key}_other`] = entry[language]
      if (language === 'en') texts[`${key}_one`] = entry.one
    } else texts[key] = entry[language]
  }
  return texts
}

export function startLanguage(): void {
  void i18next.use(initReactI18next).init({
    lng: firstLanguage(),
    fallbackLng: false,
    resources: { zh: { translation: translations('zh') }, en: { translation: translations('en') } },
    keySeparator: false,
    nsSeparator: false,
    interpolation: { escapeValue: false },
  })
  markPage()
}

export function setLanguage(language: Language): void {
  localStorage.setItem(KEPT, language)
  void i18next.changeLanguage(language)
  markPage()
}

export function useLanguage(): Language {
  const { i18n } = useTranslation()
  return i18n.language === 'en' ? 'en' : 'zh'
}

export function useText(): Text {
  const { t } = useTranslation()
  return useCallback((key, values) => t(key, { ...values }), [t])
}

function firstLanguage(): Language {
  const kept = localStorage.getItem(KEPT)
  if (kept === 'zh' || kept === 'en') return kept
  return navigator.language.toLowerCase().startsWith('en') ? 'en' : 'zh'
}

function markPage(): void {
  document.documentElement.lang = TAGS[i18next.language === 'en' ? 'en' : 'zh']
}
