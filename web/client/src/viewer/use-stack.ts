/** The stack of a mounted viewport, and the series in it. */

import { useEffect, useRef, useState, type RefObject } from 'react'
import { closeEngine, giveLeftButton, openEngine, startEngine, type ToolName } from './engine'
import { readSeries, type Frame } from './frames'
import { Stack, type StackFacts } from './stack'
import { steadyHand } from './steady'
import { publishFacts } from './test-facts'

export interface Loading {
  done: number
  count: number
  bytes: number
  startedAt: number
}

export interface Viewing {
  stack: Stack | null
  facts: StackFacts | null
  frames: Frame[] | null
  loading: Loading | null
  /** Why the series cannot be shown; `none` when it holds no images. */
  trouble: 'failed' | 'none' | null
}

/** Mount the engine into `host` and show the series at `root` in it. */
export function useStack(host: RefObject<HTMLDivElement | null>, root: string | null, tool: ToolName): Viewing {
  const [stack, setStack] = useState<Stack | null>(null)
  const [facts, setFacts] = useState<StackFacts | null>(null)
  const [frames, setFrames] = useState<Frame[] | null>(null)
  const [loading, setLoading] = useState<Loading | null>(null)
  const [trouble, setTrouble] = useState<Viewing['trouble']>(null)
  const chosen = useRef(tool)
  chosen.current = tool

  useEffect(() => {
    let close: (() => void) | null = null
    let gone = false
    startEngine().then(
      () => {
        const element = host.current
        if (gone || !element) return
        toWholePixels(element, element.parentElement ?? element)
        const engine = openEngine()
        const opened = new Stack(engine, element, (next) => {
          setFacts(next)
          publishFacts(next)
        })
        giveLeftButton(chosen.current)
        const unsteady = steadyHand(element)
        const frame = element.parentElement ?? element
        const observer = new ResizeObserver(() => {
          toWholePixels(element, frame)
          opened.resize()
        })
        observer.observe(frame)
        close = () => {
          observer.disconnect()
          unsteady()
          opened.close()
          closeEngine(engine)
          publishFacts(null)
        }
        setStack(opened)
      },
      () => setTrouble('failed'),
    )
    return () => {
      gone = true
      close?.()
    }
  }, [host])

  useEffect(() => {
    if (!stack || !root) return
    const abort = new AbortController()
    setFrames(null)
    setFacts(null)
    setTrouble(null)
    setLoading(null)
    const show = async () => {
      const read = await readSeries(root, abort.signal)
      if (abort.signal.aborted) return
      if (read.length === 0) {
        setTrouble('none')
        return
      }
      await stack.show(read)
      if (abort.signal.aborted) return
      setFrames(read)
      const startedAt = performance.now()
      await stack.prefetch(abort.signal, (done, bytes) => setLoading({ done, count: read.length, bytes, startedAt }))
    }
    show().catch(() => {
      if (!abort.signal.aborted) setTrouble('failed')
    })
    return () => abort.abort()
  }, [stack, root])

  return { stack, facts, frames, loading, trouble }
}

/** Put the canvas on whole pixels of the screen: between them the browser would blur it. */
function toWholePixels(element: HTMLElement, frame: HTMLElement): void {
  const { left, top, right, bottom } = frame.getBoundingClientRect()
  element.style.marginLeft = `${Math.ceil(left) - left}px`
  element.style.marginTop = `${Math.ceil(top) - top}px`
  element.style.width = `${Math.floor(right) - Math.ceil(left)}px`
  element.style.height = `${Math.floor(bottom) - Math.ceil(top)}px`
}
