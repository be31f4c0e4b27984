/** The dark frame around images: who the patient is, always in sight, and the way back. */

import { useEffect, type ReactNode } from 'react'
import { Link } from 'react-router'
import type { Study } from '../api/types'
import { useText } from '../language'
import { LanguageSwitch } from '../shell/language-switch'
import { Banner } from '../study/banner'
import './reading.css'

interface RoomProps {
  study: Study | null
  hospital: string
  back: string
  children: ReactNode
}

export function Room({ study, hospital, back, children }: RoomProps) {
  const text = useText()
  useEffect(() => {
    document.documentElement.classList.add('dark')
    return () => document.documentElement.classList.remove('dark')
  }, [])
  return (
    <div className="room">
      <header className="room-head">
        <Link to={back} className="button" data-testid="reading-back">
          {text('common.back')}
        </Link>
        {study ? <Banner study={study} hospital={hospital} reading /> : <p>{text('case.studyNotHere')}</p>}
        <LanguageSwitch />
      </header>
      <p className="small-screen">{text('reading.smallScreen')}</p>
      <main className="room-main">{children}</main>
    </div>
  )
}
