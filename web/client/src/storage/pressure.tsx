/** What bars room from being made online, while the online tier is too large. */

import { Alert } from 'antd'
import type { Pressure } from '../api/storage'
import { useLanguage, useText } from '../language'
import { byteSize, count } from '../shown/size'
import { reasonWord } from './reason-words'

export function PressureNotice({ pressure }: { pressure: Pressure | null }) {
  const text = useText()
  const language = useLanguage()
  if (!pressure || pressure.endedAt !== null || pressure.shortBytes === 0) return null
  return (
    <Alert
      type="error"
      showIcon
      data-testid="pressure"
      title={text('storage.short', { short: byteSize(pressure.shortBytes, language) })}
      description={
        <>
          <p>{text('storage.shortHow')}</p>
          <ul>
            {pressure.barred.map((each) => (
              <li key={each.reason} data-testid={`barred-${each.reason}`}>
                {reasonWord(each.reason, text)} {text('storage.studies', { count: each.studies, shown: count(each.studies, language) })} ·{' '}
                {byteSize(each.bytes, language)}
              </li>
            ))}
          </ul>
        </>
      }
    />
  )
}
