/** The other language, one click away on every page. */

import { setLanguage, useLanguage } from '../language'
import { useText } from '../language'

export function LanguageSwitch() {
  const text = useText()
  const language = useLanguage()
  const other = language === 'zh' ? 'en' : 'zh'
  return (
    <button
      type="button"
      className="language"
      lang={other === 'zh' ? 'zh-CN' : 'en'}
      onClick={() => setLanguage(other)}
      data-testid="language-switch"
    >
      {text('language.other')}
    </button>
  )
}
