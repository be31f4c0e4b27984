/** A figure with its name, which a phone shows in place of the table's head. */

import type { ReactNode } from 'react'

export function Figure({ title, children }: { title: string; children: ReactNode }) {
  if (!children) return <span className="nothing">–</span>
  return (
    <span className="nowrap figure-named">
      <span className="phone-only quiet">{title} </span>
      {children}
    </span>
  )
}
