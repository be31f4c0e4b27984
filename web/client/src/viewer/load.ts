/** One frame from the node as an image that the rendering engine shows. */

import { Enums, getShouldUseCPURendering, utilities, type Types } from '@cornerstonejs/core'
import { frameOf, type Frame } from './frames'
import { colourPixels, extent, isColour, modalityPixels, storedValues, unpacked422, type Pixels, type Values } from './pixels'
import { fullWindow } from './window'

/** Native syntaxes: the bytes are the pixels. Source: DICOM PS3.5 Annex A. */
const NATIVE = new Set(['', '1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.2', '1.2.840.10008.1.2.1.99'])

/** Images that the node rendered, because no codec here reads them: their window is fixed. */
const renderedThere = new Set<string>()

export function isRenderedThere(imageId: string): boolean {
  return renderedThere.has(imageId)
}

interface Loading {
  promise: Promise<Types.IImage>
  cancelFn: () => void
}

/** An image loader for `imageLoader.registerImageLoader`. */
export function loadFrame(imageId: string): Loading {
  const abort = new AbortController()
  return { promise: load(imageId, abort.signal), cancelFn: () => abort.abort() }
}

async function load(imageId: string, signal: AbortSignal): Promise<Types.IImage> {
  const frame = frameOf(imageId)
  if (!frame) throw new Error(`Loading ${imageId} failed: it belongs to no series that was read.`)
  const response = await fetch(frame.url, {
    headers: { Accept: 'application/octet-stream; transfer-syntax=*' },
    credentials: 'same-origin',
    signal,
  })
  if (!response.ok) throw new Error(`Loading a frame failed: the node answered ${response.status}.`)
  const syntax = transferSyntax(response) || frame.transferSyntax
  const bytes = new Uint8Array(await response.arrayBuffer())
  const read = { ...frame, transferSyntax: syntax }
  return imageOf(read, await pixelsOf(bytes, read, signal))
}

function transferSyntax(response: Response): string {
  return /transfer-syntax="?([0-9.]+)/.exec(response.headers.get('Content-Type') ?? '')?.[1] ?? ''
}

/** Decode here what can be; the node's own picture stands in for the rest, and the viewer says so. */
async function pixelsOf(bytes: Uint8Array, frame: Frame, signal: AbortSignal): Promise<Pixels> {
  if (NATIVE.has(frame.transferSyntax) && !lacksPalette(frame)) return nativePixels(bytes, frame)
  try {
    if (lacksPalette(frame)) throw new Error('The tables of colours are not in the header.')
    return await decodedPixels(bytes, frame)
  } catch (cause) {
    if (signal.aborted) throw cause
    const picture = await picturePixels(frame, signal)
    renderedThere.add(frame.imageId)
    return picture
  }
}

/** Long tables of colours stay at the node. */
function lacksPalette({ photometric, palette }: Frame): boolean {
  return photometric === 'PALETTE COLOR' && !palette
}

function nativePixels(bytes: Uint8Array, frame: Frame): Pixels {
  if (!isColour(frame)) return greyPixels(storedValues(bytes, frame), frame)
  if (frame.photometric !== 'YBR_FULL_422') return colourPixels(storedValues(bytes, frame), frame)
  return colourPixels(unpacked422(bytes, frame), { ...frame, planar: false })
}

/** Without a graphics card the engine looks whole stored values up in a table, and rescales while it makes that. */
function greyPixels(stored: Values, frame: Frame): Pixels {
  const scaled = modalityPixels(stored, frame)
  if (!(scaled.values instanceof Float32Array) || !getShouldUseCPURendering()) return scaled
  return { ...scaled, values: stored, slope: frame.slope, intercept: frame.intercept }
}

async function decodedPixels(bytes: Uint8Array, frame: Frame): Promise<Pixels> {
  const { decode } = await import('./decode')
  const stored = await decode(bytes, frame)
  // Codecs give interleaved samples, whatever the planar configuration says.
  if (isColour(frame)) return colourPixels(stored.values, { ...frame, planar: false }, stored.rgb)
  return greyPixels(stored.values, frame)
}

/** The node's own picture, as RGB. */
async function picturePixels(frame: Frame, signal: AbortSignal): Promise<Pixels> {
  const response = await fetch(frame.renderedUrl, { headers: { Accept: 'image/png' }, credentials: 'same-origin', signal })
  if (!response.ok) throw new Error(`Rendering a frame failed: the node answered ${response.status}.`)
  const picture = await createImageBitmap(await response.blob())
  const canvas = new OffscreenCanvas(frame.columns, frame.rows)
  const context = canvas.getContext('2d')
  if (!context) throw new Error('The browser gives no canvas.')
  context.drawImage(picture, 0, 0, frame.columns, frame.rows)
  const { data } = context.getImageData(0, 0, frame.columns, frame.rows)
  const values = new Uint8Array(frame.columns * frame.rows * 3)
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    values.set(data.subarray(from, from + 3), to)
  }
  return { values, components: 3, low: 0, high: 255 }
}

/** Colour passes through a window that changes nothing. */
const AS_IS = { center: 128, width: 256 }

function imageOf(frame: Frame, pixels: Pixels): Types.IImage {
  const { rows, columns } = frame
  const colour = pixels.components === 3
  const [low, high] = colour ? [0, 255] : extent(pixels.values)
  const window = colour ? AS_IS : (frame.windows[0] ?? fullWindow(pixels.low, pixels.high))
  const { slope = 1, intercept = 0 } = pixels
  const scalarData = pixels.values as Types.PixelDataTypedArray
  const voxelManager = utilities.VoxelManager.createImageVoxelManager({
    width: columns,
    height: rows,
    scalarData,
    numberOfComponents: pixels.components,
  })
  return {
    imageId: frame.imageId,
    rows,
    columns,
    width: columns,
    height: rows,
    color: colour,
    rgba: false,
    numberOfComponents: pixels.components,
    minPixelValue: low,
    maxPixelValue: high,
    slope,
    intercept,
    preScale: { enabled: true, scaled: slope === 1 && intercept === 0 },
    windowCenter: window.center,
    windowWidth: window.width,
    voiLUTFunction: lutFunction(colour ? 'LINEAR' : frame.shape),
    // A picture made by the node has its black and white already the right way round.
    photometricInterpretation: colour ? 'RGB' : frame.photometric,
    invert: !colour && frame.photometric === 'MONOCHROME1',
    rowPixelSpacing: frame.spacing?.row ?? 1,
    columnPixelSpacing: frame.spacing?.column ?? 1,
    sizeInBytes: scalarData.byteLength,
    dataType: scalarData.constructor.name as Types.PixelDataTypedArrayString,
    FrameOfReferenceUID: frame.frameOfReference,
    getPixelData: () => scalarData,
    getCanvas: () => document.createElement('canvas'),
    voxelManager: voxelManager as NonNullable<Types.IImage['voxelManager']>,
  } as Types.IImage
}

function lutFunction(shape: Frame['shape']): Enums.VOILUTFunctionType {
  const { VOILUTFunctionType } = Enums
  if (shape === 'LINEAR_EXACT') return VOILUTFunctionType.LINEAR_EXACT
  return shape === 'SIGMOID' ? VOILUTFunctionType.SAMPLED_SIGMOID : VOILUTFunctionType.LINEAR
}
