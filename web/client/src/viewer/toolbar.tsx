/** Tools of the viewer; a pressed one has the left button. */

import type { Key } from '../catalogue'
import { useText } from '../language'
import { clearLengths, type ToolName } from './engine'
import type { Stack, StackFacts } from './stack'
import { WindowFields } from './window-fields'

export const TOOL_KEYS: { tool: ToolName; key: string; label: Key }[] = [
  { tool: 'window', key: 'w', label: 'tool.window' },
  { tool: 'scroll', key: 's', label: 'tool.scroll' },
  { tool: 'zoom', key: 'z', label: 'tool.zoom' },
  { tool: 'pan', key: 'p', label: 'tool.pan' },
  { tool: 'length', key: 'l', label: 'tool.length' },
]

interface ToolbarProps {
  stack: Stack | null
  facts: StackFacts | null
  modality: string
  tool: ToolName
  setTool: (tool: ToolName) => void
  toggleWords: () => void
}

export function Toolbar({ stack, facts, modality, tool, setTool, toggleWords }: ToolbarProps) {
  const text = useText()
  const acts: { id: string; label: Key; act: () => void }[] = [
    { id: 'tool-fit', label: 'tool.fit', act: () => stack?.placement.fit() },
    { id: 'tool-one-to-one', label: 'tool.oneToOne', act: () => stack?.placement.oneToOne() },
    { id: 'tool-turn', label: 'tool.turn', act: () => stack?.placement.turn() },
    { id: 'tool-flip', label: 'tool.flip', act: () => stack?.placement.flip() },
    { id: 'tool-invert', label: 'tool.invert', act: () => stack?.invert() },
    { id: 'tool-clear', label: 'tool.clear', act: clearLengths },
    { id: 'tool-words', label: 'tool.words', act: toggleWords },
  ]
  return (
    <div className="toolbar" role="toolbar" aria-label={text('viewer.tools')}>
      <div className="toolbar-group">
        {TOOL_KEYS.map(({ tool: name, key, label }) => (
          <button
            key={name}
            type="button"
            aria-pressed={tool === name}
            onClick={() => setTool(name)}
            title={text('tool.withKey', { tool: text(label), key })}
            data-testid={`tool-${name}`}
          >
            {text(label)}
          </button>
        ))}
      </div>
      <div className="toolbar-group">
        {acts.map(({ id, label, act }) => (
          <button key={id} type="button" onClick={act} disabled={!facts} data-testid={id}>
            {text(label)}
          </button>
        ))}
      </div>
      <WindowFields stack={stack} facts={facts} modality={modality} />
    </div>
  )
}
