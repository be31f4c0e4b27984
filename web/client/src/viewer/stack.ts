/** One series in one viewport: which slice, how it lies, how it is windowed. */

import { Enums, eventTarget, imageLoader, type RenderingEngine, type Types } from '@cornerstonejs/core'
import { VIEWPORT } from './engine'
import { frameOf, type Frame } from './frames'
import { isRenderedThere } from './load'
import type { Markers } from './orientation'
import { Placement } from './placement'
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

const { Events } = Enums

export class Stack {
  readonly placement: Placement
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
    this.placement = new Placement(this.viewport, () => this.frame)
    element.addEventListener(Events.IMAGE_RENDERED, this.onRendered)
    element.addEventListener(Events.CAMERA_MODIFIED, this.onCamera)
    element.addEventListener(Events.PRE_STACK_NEW_IMAGE, this.onAsked)
    eventTarget.addEventListener(Events.IMAGE_LOAD_ERROR, this.onFailed)
  }

  close(): void {
    this.element.removeEventListener(Events.IMAGE_RENDERED, this.onRendered)
    this.element.removeEventListener(Events.CAMERA_MODIFIED, this.onCamera)
    this.element.removeEventListener(Events.PRE_STACK_NEW_IMAGE, this.onAsked)
    eventTarget.removeEventListener(Events.IMAGE_LOAD_ERROR, this.onFailed)
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
    this.placement.fit()
  }

  /** Go to a slice; the last one asked for wins. One that cannot be read is said, and never shown under its number. */
  async go(index: number): Promise<void> {
    const asked = Math.max(0, Math.min(this.frames.length - 1, index))
    await this.viewport.setImageIdIndex(asked).catch(() => undefined)
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

  /** The screen has another size. */
  resize(): void {
    this.placement.change(() => this.engine.resize(true, true))
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
      scale: this.placement.scale(),
      rotation: Math.round(this.viewport.getRotation()) % 360,
      flipped: camera.flipHorizontal === true,
      markers: frame?.orientation ? this.placement.markers() : null,
      renderedThere: isRenderedThere(imageId),
      rendered: imageId === this.frames[this.wanted]?.imageId,
      failed: this.failed,
    }
  }

  private readonly onCamera = (): void => this.placement.follow()

  /** Whoever scrolls, the tools too: this slice is asked for. */
  private readonly onAsked = (event: Event): void => {
    this.wanted = (event as CustomEvent<{ imageIdIndex: number }>).detail.imageIdIndex
    this.failed = null
  }

  private readonly onFailed = (event: Event): void => {
    const { imageIdIndex } = (event as CustomEvent<{ imageIdIndex: number }>).detail
    if (imageIdIndex !== this.wanted) return
    this.failed = imageIdIndex
    this.changed(this.facts())
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
