/** The window as two numbers, and the usual ones by name. */

import { useEffect, useState } from 'react'
import { useText } from '../language'
import type { Stack, StackFacts } from './stack'
import { PRESETS, type Window } from './window'

interface WindowFieldsProps {
  stack: Stack | null
  facts: StackFacts | null
  modality: string
}

export function WindowFields({ stack, facts, modality }: WindowFieldsProps) {
  const text = useText()
  const window = facts?.window ?? null
  if (!stack || !window || facts?.renderedThere) return null
  return (
    <div className="toolbar-group">
      <Field label={text('window.center')} value={window.center} testId="window-center" set={(center) => stack.setWindow({ center })} />
      <Field
        label={text('window.width')}
        value={window.width}
        testId="window-width"
        set={(width) => width >= 1 && stack.setWindow({ width })}
      />
      <button type="button" onClick={() => stack.resetWindow()} data-testid="preset-default">
        {text('preset.default')}
      </button>
      {modality === 'CT' &&
        PRESETS.map((preset, n) => (
          <button
            key={preset.name}
            type="button"
            aria-pressed={same(preset, window)}
            onClick={() => stack.setWindow(preset)}
            title={text('preset.title', { center: preset.center, width: preset.width, key: n + 1 })}
            data-testid={`preset-${preset.name}`}
          >
            {text(`preset.${preset.name}`)}
          </button>
        ))}
    </div>
  )
}

function same(a: Window, b: Window): boolean {
  return Math.abs(a.center - b.center) < 0.5 && Math.abs(a.width - b.width) < 0.5
}

interface FieldProps {
  label: string
  value: number
  testId: string
  set: (value: number) => void
}

/** Shows the window as it is; a typed number counts at Enter or when the field is left. */
function Field({ label, value, testId, set }: FieldProps) {
  const rounded = String(Math.round(value * 10) / 10)
  const [typed, setTyped] = useState(rounded)
  useEffect(() => setTyped(rounded), [rounded])
  const take = () => {
    const next = Number(typed)
    if (typed.trim() !== '' && Number.isFinite(next) && typed !== rounded) set(next)
    else setTyped(rounded)
  }
  return (
    <label className="window-field">
      {label}
      <input
        inputMode="decimal"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onBlur={take}
        onKeyDown={(event) => {
          if (event.key === 'Enter') take()
        }}
        data-testid={testId}
      />
    </label>
  )
}
