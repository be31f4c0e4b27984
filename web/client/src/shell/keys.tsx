/** Keys that act on the page shown, and the map of them behind `?`. */

import { Modal } from 'antd'
import { createContext, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import type { Key } from '../catalogue'
import { useText } from '../language'

export interface Binding {
  /** As `KeyboardEvent.key` says it, with `Ctrl+` before it where that is held. */
  key: string
  label: Key
  act: () => void
  /** Also while a text field has the focus. */
  whileTyping?: boolean
}

interface Registry {
  add: (bindings: { current: Binding[] }) => () => void
}

const Context = createContext<Registry | null>(null)

/** Bind keys while the calling page is shown. */
export function useKeys(bindings: Binding[]): void {
  const registry = useContext(Context)
  const current = useRef(bindings)
  current.current = bindings
  useEffect(() => registry?.add(current), [registry])
}

export function KeysProvider({ children }: { children: ReactNode }) {
  const text = useText()
  const sets = useRef(new Set<{ current: Binding[] }>())
  const [shown, setShown] = useState<Binding[] | null>(null)
  const registry = useMemo<Registry>(
    () => ({
      add: (bindings) => {
        sets.current.add(bindings)
        return () => sets.current.delete(bindings)
      },
    }),
    [],
  )
  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      // Not `defaultPrevented`: the viewer's element prevents the default of every key it hears.
      if (event.altKey || event.metaKey || event.isComposing) return
      const pressed = event.ctrlKey ? `Ctrl+${event.key}` : event.key
      const all = [...sets.current].flatMap((set) => set.current)
      const typing = isTyping(event.target)
      if (pressed === '?' && !typing) {
        setShown(all)
        return
      }
      if (isOverlayOpen()) return
      const binding = all.findLast((each) => each.key === pressed && (!typing || each.whileTyping))
      if (!binding) return
      event.preventDefault()
      binding.act()
    }
    window.addEventListener('keydown', hear)
    return () => window.removeEventListener('keydown', hear)
  }, [])
  return (
    <Context value={registry}>
      {children}
      <Modal open={shown !== null} onCancel={() => setShown(null)} footer={null} title={text('keys.title')} width={420}>
        <dl className="keys" data-testid="keyboard-map">
          {shown?.map((each) => (
            <div key={each.key}>
              <dt>
                <kbd>{each.key === ' ' ? text('keys.space') : each.key}</kbd>
              </dt>
              <dd>{text(each.label)}</dd>
            </div>
          ))}
          <div>
            <dt>
              <kbd>?</kbd>
            </dt>
            <dd>{text('keys.map')}</dd>
          </div>
        </dl>
      </Modal>
    </Context>
  )
}

function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return !['range', 'checkbox', 'radio', 'button'].includes(target.type)
  return target instanceof HTMLElement && (target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName))
}

/** A dialog or drawer in front takes the keys for itself. */
function isOverlayOpen(): boolean {
  return [...document.querySelectorAll('[role="dialog"]')].some((each) => (each as HTMLElement).offsetParent !== null)
}
