/** The frame of the pages before one is signed in. */

import type { ReactNode } from 'react'
import { useText } from '../language'
import { LanguageSwitch } from '../shell/language-switch'
import { useSession } from './session'

export function Card({ title, children }: { title: string; children: ReactNode }) {
  const text = useText()
  const { me } = useSession()
  return (
    <main className="entry">
      <div className="entry-card">
        <header>
          <img src="/icon.svg" alt="" width="36" height="36" />
          <div>
            <strong>{text('app.name')}</strong>
            <div className="quiet" data-testid="node-name">
              {me?.node.name}
            </div>
          </div>
          <LanguageSwitch />
        </header>
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  )
}
