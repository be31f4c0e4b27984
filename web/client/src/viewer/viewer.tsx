/** The viewer: series beside, tools above, the image with its letters, slices at the right. */

import { useEffect, useMemo, useRef, useState } from 'react'
import type { StudyPage } from '../api/types'
import { useText } from '../language'
import { useKeys } from '../shell/keys'
import { clearLengths, giveLeftButton, type ToolName } from './engine'
import { setDetectorWords } from './length-label'
import { ImageWords } from './image-words'
import { SeriesList } from './series-list'
import { Slices } from './slices'
import { Toolbar, TOOL_KEYS } from './toolbar'
import { useStack } from './use-stack'
import { PRESETS } from './window'
import './viewer.css'

interface ViewerProps {
  page: StudyPage
  /** Series to begin with; the first one with images otherwise. */
  first?: string | undefined
}

export default function Viewer({ page, first }: ViewerProps) {
  const text = useText()
  const host = useRef<HTMLDivElement>(null)
  const { series, dicomweb, study } = page
  const [chosen, setChosen] = useState<string | null>(first ?? null)
  const [tool, setTool] = useState<ToolName>('window')
  const [words, setWords] = useState(true)
  const largest = useMemo(() => [...series].sort((a, b) => b.instances - a.instances)[0], [series])
  const seriesUid = chosen ?? largest?.seriesUid ?? null
  const root = seriesUid && `${dicomweb}/studies/${study.studyUid}/series/${seriesUid}`
  const { stack, facts, frames, loading, trouble } = useStack(host, root, tool)
  useEffect(() => setDetectorWords(text('length.atDetector')), [text])

  const at = facts?.failed ?? facts?.index ?? 0
  const frame = frames?.[facts?.index ?? 0]
  const choose = (name: ToolName) => {
    // At once, not after the next paint: a drag may follow the key.
    giveLeftButton(name)
    setTool(name)
  }
  const go = (index: number) => void stack?.go(index)
  useKeys([
    ...TOOL_KEYS.map(({ key, tool: name, label }) => ({ key, label, act: () => choose(name) })),
    { key: 'ArrowDown', label: 'keys.nextSlice', act: () => go(at + 1) },
    { key: 'ArrowUp', label: 'keys.previousSlice', act: () => go(at - 1) },
    { key: 'PageDown', label: 'keys.tenDown', act: () => go(at + 10) },
    { key: 'PageUp', label: 'keys.tenUp', act: () => go(at - 10) },
    { key: 'Home', label: 'keys.firstSlice', act: () => go(0) },
    { key: 'End', label: 'keys.lastSlice', act: () => go((facts?.count ?? 1) - 1) },
    { key: '0', label: 'keys.resetWindow', act: () => stack?.resetWindow() },
    ...PRESETS.map((preset, n) => ({
      key: String(n + 1),
      label: `preset.${preset.name}` as const,
      act: () => stack?.setWindow(preset),
    })),
    { key: 'f', label: 'tool.fit', act: () => stack?.placement.fit() },
    { key: 'o', label: 'tool.oneToOne', act: () => stack?.placement.oneToOne() },
    { key: 'Delete', label: 'tool.clear', act: clearLengths },
    { key: 'i', label: 'tool.invert', act: () => stack?.invert() },
    { key: 'h', label: 'tool.words', act: () => setWords((shown) => !shown) },
  ])

  return (
    <div className="viewer" data-testid="viewer">
      <SeriesList page={page} chosen={seriesUid} choose={setChosen} />
      <div className="viewer-main">
        <Toolbar
          stack={stack}
          facts={facts}
          modality={frame?.modality ?? ''}
          tool={tool}
          setTool={choose}
          toggleWords={() => setWords((shown) => !shown)}
        />
        <div className="viewer-stage">
          {/* The element of the engine is the image area: whole pixels, nothing of ours inside it. */}
          <div className="viewer-host">
            <div ref={host} className="viewer-canvas" data-testid="viewer-canvas" onContextMenu={(event) => event.preventDefault()} />
          </div>
          {words && facts && frame && <ImageWords facts={facts} frame={frame} loading={loading} />}
          {facts?.renderedThere && (
            <div className="viewer-note" role="status" data-testid="viewer-rendered-there">
              {text('viewer.renderedThere')}
            </div>
          )}
          {facts && facts.failed !== null && (
            <div className="viewer-note center bad" role="alert" data-testid="viewer-slice-failed">
              {text('viewer.sliceFailed', { index: facts.failed + 1 })}
            </div>
          )}
          {!facts && (
            <div className="viewer-note center" role="status" data-testid="viewer-state">
              {text(trouble === 'none' ? 'viewer.noImages' : trouble === 'failed' ? 'viewer.failed' : 'viewer.loading')}
            </div>
          )}
        </div>
      </div>
      <Slices facts={facts} go={go} />
    </div>
  )
}
