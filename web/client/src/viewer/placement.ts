/** How an image lies on the screen: fitted, one to one, turned, flipped; and what its edges are called. */

import { Enums, type Types } from '@cornerstonejs/core'
import type { Frame } from './frames'
import type { Point } from './length'
import { markersOf, type Markers, type Vector } from './orientation'
import { inImage, onEdges, planeOf, worldOf } from './plane'

const { InterpolationType } = Enums

export class Placement {
  private exact = false

  constructor(
    private readonly viewport: Types.IStackViewport,
    /** The frame on screen. */
    private readonly shown: () => Frame | undefined,
  ) {}

  /** Fill the viewport; not turned, not flipped. */
  fit(): void {
    this.viewport.resetCamera()
    this.settle()
  }

  /** One image pixel on one screen pixel, edges on edges: nothing between them is made up. */
  oneToOne(): void {
    const frame = this.shown()
    if (frame) this.placeOneToOne(frame, { x: (frame.columns - 1) / 2, y: (frame.rows - 1) / 2 })
  }

  /** A quarter turn clockwise. */
  turn(): void {
    this.change(() => this.viewport.setViewPresentation({ rotation: (this.viewport.getRotation() + 90) % 360 }))
  }

  flip(): void {
    this.change(() => this.viewport.setCamera({ flipHorizontal: !this.viewport.getCamera().flipHorizontal }))
  }

  /** Move the image, or the screen under it; whatever was one to one is so again. */
  change(act: () => void): void {
    const { exact } = this
    act()
    const frame = this.shown()
    const { focalPoint } = this.viewport.getCamera()
    if (exact && frame && focalPoint) this.placeOneToOne(frame, inImage([...focalPoint], planeOf(frame)))
    else this.settle()
  }

  /** At whole magnifications each image pixel is a square; between them the engine interpolates. */
  settle(): void {
    this.exact = this.isOneToOne()
    this.viewport.setProperties({ interpolationType: this.interpolation() })
    this.viewport.render()
  }

  /** The tools move the camera themselves: follow when that asks for the other interpolation. */
  follow(): void {
    this.exact = this.isOneToOne()
    if (this.viewport.getProperties().interpolationType !== this.interpolation()) this.settle()
  }

  /** Screen pixels per image pixel, down a column. */
  scale(): number {
    const { parallelScale = 0 } = this.viewport.getCamera()
    const spacing = this.shown()?.spacing?.row ?? 1
    return parallelScale > 0 ? (this.screen().height * spacing) / (2 * parallelScale) : 0
  }

  /** Letters from where the edges of the screen really lie, whatever turned and flipped the image. */
  markers(): Markers {
    const { clientWidth, clientHeight } = this.viewport.element
    const middle = this.viewport.canvasToWorld([clientWidth / 2, clientHeight / 2])
    const towards = (x: number, y: number): Vector => {
      const edge = this.viewport.canvasToWorld([x, y])
      return [edge[0] - middle[0], edge[1] - middle[1], edge[2] - middle[2]]
    }
    return markersOf(towards(clientWidth, clientHeight / 2), towards(clientWidth / 2, clientHeight))
  }

  /** One to one around a place of the image, moved by less than a pixel so that edges lie on edges. */
  private placeOneToOne(frame: Frame, { x, y }: Point): void {
    const { width, height } = this.screen()
    const upright = Math.round(this.viewport.getRotation()) % 180 === 0
    const [across, down] = upright ? [width, height] : [height, width]
    const focalPoint = worldOf({ x: onEdges(x, across), y: onEdges(y, down) }, planeOf(frame)) as Types.Point3
    const camera = this.viewport.getCamera()
    const moved = focalPoint.map((part, axis) => part - (camera.focalPoint?.[axis] ?? 0))
    const position = camera.position?.map((part, axis) => part + (moved[axis] ?? 0)) as Types.Point3
    const parallelScale = (height * (frame.spacing?.row ?? 1)) / 2
    this.viewport.setCamera({ focalPoint, position, parallelScale })
    this.settle()
  }

  private isOneToOne(): boolean {
    return Math.abs(this.scale() - 1) < 1e-3
  }

  /** The size in screen pixels; the canvas itself takes it on only when it is drawn next. */
  private screen(): { width: number; height: number } {
    const { clientWidth, clientHeight } = this.viewport.element
    const ratio = window.devicePixelRatio || 1
    return { width: Math.round(clientWidth * ratio), height: Math.round(clientHeight * ratio) }
  }

  private interpolation(): Enums.InterpolationType {
    const scale = this.scale()
    const whole = scale > 0.99 && Math.abs(scale - Math.round(scale)) < 1e-3
    return whole ? InterpolationType.NEAREST : InterpolationType.LINEAR
  }
}
