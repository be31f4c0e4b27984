/** A state as a word and a shape; colour only underlines it. */

import type { ReactNode } from 'react'

export type Shape = 'ring' | 'half' | 'disc' | 'square' | 'triangle' | 'cross' | 'diamond'
export type Tone = 'quiet' | 'busy' | 'good' | 'warn' | 'bad'

interface MarkProps {
  shape: Shape
  tone: Tone
  children: ReactNode
  title?: string
  testId?: string
}

export function Mark({ shape, tone, children, title, testId }: MarkProps) {
  return (
    <span className={`mark ${tone}`} title={title} data-testid={testId}>
      <svg viewBox="0 0 12 12" width="11" height="11" aria-hidden="true">
        {SHAPES[shape]}
      </svg>
      <span>{children}</span>
    </span>
  )
}

const SHAPES: Record<Shape, ReactNode> = {
  ring: <circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" strokeWidth="1.6" />,
  half: (
    <>
      <circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <path d="M6 1.5a4.5 4.5 0 0 1 0 9z" fill="currentColor" />
    </>
  ),
  disc: <circle cx="6" cy="6" r="5" fill="currentColor" />,
  square: <rect x="1.5" y="1.5" width="9" height="9" fill="currentColor" />,
  triangle: <path d="M6 1l5.2 9.6H.8z" fill="currentColor" />,
  cross: <path d="M2 2l8 8M10 2l-8 8" stroke="currentColor" strokeWidth="2" />,
  diamond: <path d="M6 .8L11.2 6 6 11.2.8 6z" fill="currentColor" />,
}
