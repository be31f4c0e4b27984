/** The rendering engine and its tools, started once, when the first viewer opens. */

import {
  cache,
  getEnabledElementByViewportId,
  init as initCore,
  imageLoader,
  metaData,
  RenderingEngine,
  eventTarget,
} from '@cornerstonejs/core'
import {
  addTool,
  annotation,
  cancelActiveManipulations,
  Enums as ToolEnums,
  init as initTools,
  LengthTool,
  PanTool,
  StackScrollTool,
  ToolGroupManager,
  utilities as toolUtilities,
  WindowLevelTool,
  ZoomTool,
} from '@cornerstonejs/tools'
import { SCHEME } from './frames'
import { lengthLines } from './length-label'
import { loadFrame } from './load'
import { provide } from './metadata'

export const ENGINE = 'meridian'
export const VIEWPORT = 'reading'
const TOOLS = 'reading-tools'
const CACHE_BYTES = 1 << 30

/** What the left button does. */
export type ToolName = 'window' | 'zoom' | 'pan' | 'scroll' | 'length'

const CLASSES = {
  window: WindowLevelTool,
  zoom: ZoomTool,
  pan: PanTool,
  scroll: StackScrollTool,
  length: LengthTool,
} as const

let started: Promise<void> | null = null

export function startEngine(): Promise<void> {
  started ??= start()
  return started
}

async function start(): Promise<void> {
  await initCore()
  await initTools()
  cache.setMaxCacheSize(CACHE_BYTES)
  imageLoader.registerImageLoader(SCHEME, loadFrame)
  metaData.addProvider(provide, 10_000)
  Object.values(CLASSES).forEach((tool) => addTool(tool))
  const { Events } = ToolEnums
  // A label drawn during a drag stays wrong until its next render: draw again at every change and at the end.
  for (const event of [Events.ANNOTATION_MODIFIED, Events.ANNOTATION_COMPLETED]) {
    eventTarget.addEventListener(event, drawLabelsAgain)
  }
}

function drawLabelsAgain(): void {
  requestAnimationFrame(() => toolUtilities.triggerAnnotationRenderForViewportIds([VIEWPORT]))
}

/** A new engine with our tools around its one viewport. */
export function openEngine(): RenderingEngine {
  const engine = new RenderingEngine(ENGINE)
  const group = ToolGroupManager.createToolGroup(TOOLS)
  if (!group) throw new Error('Opening the viewer failed: another one is open.')
  for (const [name, tool] of Object.entries(CLASSES)) {
    group.addTool(tool.toolName, name === 'length' ? { getTextLines: lengthLines } : {})
  }
  group.addViewport(VIEWPORT, ENGINE)
  return engine
}

export function closeEngine(engine: RenderingEngine): void {
  annotation.state.removeAllAnnotations()
  ToolGroupManager.destroyToolGroup(TOOLS)
  engine.destroy()
}

/** Take all measurements off, also one that is being drawn. */
export function clearLengths(): void {
  endDrawing()
  annotation.state.removeAllAnnotations()
  drawLabelsAgain()
}

/** What is being drawn ends where the mouse is. */
function endDrawing(): void {
  const element = getEnabledElementByViewportId(VIEWPORT)?.viewport.element
  if (element) cancelActiveManipulations(element)
}

/** Give the left button to a tool; the middle one pans and the right one zooms, whatever the left does. */
export function giveLeftButton(name: ToolName): void {
  const group = ToolGroupManager.getToolGroup(TOOLS)
  if (!group) return
  endDrawing()
  const { MouseBindings } = ToolEnums
  const fixed: Partial<Record<ToolName, number>> = {
    pan: MouseBindings.Auxiliary,
    zoom: MouseBindings.Secondary,
    scroll: MouseBindings.Wheel,
  }
  for (const [each, { toolName }] of Object.entries(CLASSES) as [ToolName, { toolName: string }][]) {
    const bindings = fixed[each] === undefined ? [] : [{ mouseButton: fixed[each] }]
    if (each === name) bindings.push({ mouseButton: MouseBindings.Primary })
    // Activating adds to the bindings a tool has already, so those go first; passive lengths stay and can be moved.
    group.setToolPassive(toolName, { removeAllBindings: true })
    if (bindings.length > 0) group.setToolActive(toolName, { bindings })
  }
}
