/** One series in one viewport: which slice, how it lies, how it is windowed. */

import { Enums, imageLoader, type RenderingEngine, type Types } from '@cornerstonejs/core'
import { VIEWPORT } from './engine'
import { frameOf, type Frame } from './frames'
import { isRenderedThere } from './load'
import { markersOf, type Markers, type Vector } from './orientation'
import { rangeOf, windowOf, type Window } from './window'

/** What the page shows beside the image, and what tests read. */
export interface StackFacts {
  /** From 0. */
  index: number
  count: number
  imageId: string
  window: Window | null
  inverted: boolean
  /** Screen pixels per image pixel, down a column. */
  scale: number
  rotation: number
  flipped: boolean
  markers: Markers | null
  /** The node made the picture: its window is fixed. */
  renderedThere: boolean
  /** The image shown is the image asked for, drawn. */
  rendered: boolean
  /** The slice asked for cannot be shown; the one before it still stands. From 0; null when all is well. */
  failed: number | null
}

const { Events, InterpolationType } = Enums

export class Stack {
  private readonly viewport: Types.IStackViewport
  private frames: Frame[] = []
  private wanted = 0
  private failed: number | null = null

  constructor(
    private readonly engine: RenderingEngine,
    private readonly element: HTMLDivElement,
    private readonly changed: (facts: StackFacts) => void,
  ) {
    engine.enableElement({
      viewportId: VIEWPORT,
      element,
      type: Enums.ViewportType.STACK,
      defaultOptions: { background: [0, 0, 0] },
    })
    this.viewport = engine.getViewport(VIEWPORT) as Types.IStackViewport
    element.addEventListener(Events.IMAGE_RENDERED, this.onRendered)
    element.addEventListener(Events.CAMERA_MODIFIED, this.onCamera)
  }

  close(): void {
    this.element.removeEventListener(Events.IMAGE_RENDERED, this.onRendered)
    this.element.removeEventListener(Events.CAMERA_MODIFIED, this.onCamera)
  }

  /** Show a series from its middle. */
  async show(frames: Frame[]): Promise<void> {
    // A window chosen for the series before does not hold for this one.
    if (this.frames.length > 0) this.viewport.resetProperties()
    this.frames = frames
    this.failed = null
    this.wanted = await firstReadable(frames)
    await this.viewport.setStack(
      frames.map((frame) => frame.imageId),
      this.wanted,
    )
    this.fit()
  }

  /** Go to a slice; the last one asked for wins. One that cannot be read is said, and never shown under its number. */
  async go(index: number): Promise<void> {
    const asked = Math.max(0, Math.min(this.frames.length - 1, index))
    this.wanted = asked
    this.failed = null
    const { imageId = '' } = this.frames[asked] ?? {}
    // The engine keeps silent about an image that fails, so it is loaded here first: the cache gives it again at once.
    const loaded = await imageLoader.loadAndCacheImage(imageId).catch(() => null)
    if (this.wanted !== asked) return
    if (loaded) await this.viewport.setImageIdIndex(asked)
    else {
      this.failed = asked
      this.changed(this.facts())
    }
  }

  /** Change the window, or one of its two numbers. */
  setWindow(window: Partial<Window>): void {
    const shape = this.frame?.shape ?? 'LINEAR'
    const { voiRange } = this.viewport.getProperties()
    const before = voiRange ? windowOf(voiRange, shape) : { center: 0, width: 1 }
    this.viewport.setProperties({ voiRange: rangeOf({ ...before, ...window }, shape) })
    this.viewport.render()
  }

  /** Back to the window of the object. */
  resetWindow(): void {
    const image = this.viewport.getCornerstoneImage()
    const [center, width] = [image.windowCenter, image.windowWidth].map((each) => (Array.isArray(each) ? each[0] : each))
    if (center !== undefined && width !== undefined) this.setWindow({ center, width })
  }

  invert(): void {
    this.viewport.setProperties({ invert: !this.viewport.getProperties().invert })
    this.viewport.render()
  }

  /** Fill the viewport; not turned, not flipped. */
  fit(): void {
    this.viewport.resetCamera()
    this.settle()
  }

  /** One image pixel on one screen pixel, edges on edges: nothing between them is made up. */
  oneToOne(): void {
    const frame = this.frame
    const { canvas } = this.viewport
    if (!frame) return
    const centre = [frame.columns, frame.rows].map((size, axis) => {
      const across = axis === 0 ? canvas.width : canvas.height
      return Math.floor(size / 2) - 0.5 + (across % 2) / 2
    }) as [number, number]
    const camera = this.viewport.getCamera()
    const focalPoint = worldOf(frame, centre)
    const moved = focalPoint.map((part, axis) => part - (camera.focalPoint?.[axis] ?? 0))
    const position = camera.position?.map((part, axis) => part + (moved[axis] ?? 0)) as Types.Point3
    const parallelScale = (canvas.height * (frame.spacing?.row ?? 1)) / 2
    this.viewport.setCamera({ focalPoint, position, parallelScale })
    this.settle()
  }

  zoomBy(factor: number): void {
    this.viewport.setZoom(this.viewport.getZoom() * factor)
    this.settle()
  }

  turn(): void {
    this.viewport.setViewPresentation({ rotation: (this.viewport.getRotation() + 90) % 360 })
    this.settle()
  }

  flip(): void {
    this.viewport.setCamera({ flipHorizontal: !this.viewport.getCamera().flipHorizontal })
    this.settle()
  }

  resize(): void {
    this.engine.resize(true, true)
    this.viewport.render()
  }

  /** Ask for the other slices, nearest first, a few at a time. */
  async prefetch(signal: AbortSignal, progress: (done: number, bytes: number) => void): Promise<void> {
    const queue = this.frames
      .map((frame, index) => ({ frame, apart: Math.abs(index - this.wanted) }))
      .sort((a, b) => a.apart - b.apart)
      .map(({ frame }) => frame.imageId)
    let done = 0
    let bytes = 0
    const worker = async () => {
      for (let next = queue.shift(); next && !signal.aborted; next = queue.shift()) {
        const image = await imageLoader.loadAndCacheImage(next).catch(() => null)
        done += 1
        bytes += image?.sizeInBytes ?? 0
        if (!signal.aborted) progress(done, bytes)
      }
    }
    await Promise.all([worker(), worker(), worker(), worker()])
  }

  /** The frame on screen: not the one asked for while that one is still on its way. */
  get frame(): Frame | undefined {
    return frameOf(this.shownId)
  }

  private get shownId(): string {
    const image = this.viewport.getCornerstoneImage() as Types.IImage | undefined
    return image?.imageId ?? ''
  }

  facts(): StackFacts {
    const imageId = this.shownId
    const { voiRange, invert } = this.viewport.getProperties()
    const camera = this.viewport.getCamera()
    const { frame } = this
    return {
      index: this.frames.findIndex((each) => each.imageId === imageId),
      count: this.frames.length,
      imageId,
      window: voiRange ? windowOf(voiRange, frame?.shape) : null,
      inverted: invert === true,
      scale: this.scale(),
      rotation: Math.round(this.viewport.getRotation()) % 360,
      flipped: camera.flipHorizontal === true,
      markers: frame?.orientation ? this.markers() : null,
      renderedThere: isRenderedThere(imageId),
      rendered: imageId === this.frames[this.wanted]?.imageId,
      failed: this.failed,
    }
  }

  /** Letters from where the edges of the screen really lie, whatever turned and flipped the image. */
  private markers(): Markers {
    const { clientWidth, clientHeight } = this.element
    const middle = this.viewport.canvasToWorld([clientWidth / 2, clientHeight / 2])
    const towards = (x: number, y: number): Vector => {
      const edge = this.viewport.canvasToWorld([x, y])
      return [edge[0] - middle[0], edge[1] - middle[1], edge[2] - middle[2]]
    }
    return markersOf(towards(clientWidth, clientHeight / 2), towards(clientWidth / 2, clientHeight))
  }

  private scale(): number {
    const { parallelScale = 0 } = this.viewport.getCamera()
    const spacing = this.frame?.spacing?.row ?? 1
    return parallelScale > 0 ? (this.viewport.canvas.height * spacing) / (2 * parallelScale) : 0
  }

  /** At whole magnifications each image pixel is a square; between them the engine interpolates. */
  private settle(): void {
    this.viewport.setProperties({ interpolationType: this.interpolation() })
    this.viewport.render()
  }

  private interpolation(): Enums.InterpolationType {
    const scale = this.scale()
    const whole = scale > 0.99 && Math.abs(scale - Math.round(scale)) < 1e-3
    return whole ? InterpolationType.NEAREST : InterpolationType.LINEAR
  }

  private readonly onCamera = (): void => {
    if (this.viewport.getProperties().interpolationType !== this.interpolation()) this.settle()
  }

  private readonly onRendered = (): void => {
    // Before its first image, and while a series is changed, the engine draws an empty or a former one.
    if (this.frames.some((each) => each.imageId === this.shownId)) this.changed(this.facts())
  }
}

/** The middle slice, else the first or the last: one that cannot be read must not hide the others. */
async function firstReadable(frames: Frame[]): Promise<number> {
  let cause: unknown = null
  for (const index of [Math.floor((frames.length - 1) / 2), 0, frames.length - 1]) {
    try {
      await imageLoader.loadAndCacheImage(frames[index]?.imageId ?? '')
      return index
    } catch (error) {
      cause = error
    }
  }
  throw cause
}

/** A place of the image (column, row; pixel centres are whole) in the patient. Source: DICOM PS3.3 C.7.6.2.1.1. */
export function worldOf(frame: Frame, [x, y]: [number, number]): Types.Point3 {
  const orientation = frame.orientation ?? [1, 0, 0, 0, 1, 0]
  const origin = frame.position ?? [0, 0, 0]
  const dx = x * (frame.spacing?.column ?? 1)
  const dy = y * (frame.spacing?.row ?? 1)
  return [0, 1, 2].map(
    (axis) => (origin[axis] ?? 0) + dx * (orientation[axis] ?? 0) + dy * (orientation[axis + 3] ?? 0),
  ) as Types.Point3
}
