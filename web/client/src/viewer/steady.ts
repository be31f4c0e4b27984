/** A hand that trembles while it presses does not drag: else the first click of a length would end it. */

const TREMBLE_PX = 3

/** Let a press on `element` count as a drag once it has gone further than a tremble; returns how to stop. */
export function steadyHand(element: HTMLElement): () => void {
  let pressed: { x: number; y: number } | null = null
  const onDown = (event: MouseEvent) => {
    pressed = { x: event.clientX, y: event.clientY }
  }
  const onUp = () => {
    pressed = null
  }
  const onMove = (event: MouseEvent) => {
    if (!pressed) return
    const gone = Math.abs(event.clientX - pressed.x) + Math.abs(event.clientY - pressed.y)
    if (gone > TREMBLE_PX) pressed = null
    else event.stopImmediatePropagation()
  }
  element.addEventListener('mousedown', onDown, { capture: true })
  document.addEventListener('mouseup', onUp, { capture: true })
  document.addEventListener('mousemove', onMove, { capture: true })
  return () => {
    element.removeEventListener('mousedown', onDown, { capture: true })
    document.removeEventListener('mouseup', onUp, { capture: true })
    document.removeEventListener('mousemove', onMove, { capture: true })
  }
}
