/** What a frame says about itself: how to read, show and measure it. Pure. */

import { inlineBytes, items, number, numbers, text, type DataSet } from './dicom-json'
import type { Spacing } from './length'
import type { Shape, Window } from './window'

/** Source: DICOM PS3.3 C.7.6.3 (Image Pixel), C.7.6.2 (Image Plane), C.11.1 (Modality LUT), C.11.2 (VOI LUT). */
export interface FrameFacts {
  sopUid: string
  /** From 1. */
  frame: number
  instanceNumber: number | null
  transferSyntax: string
  modality: string
  rows: number
  columns: number
  samples: number
  bitsAllocated: number
  bitsStored: number
  signed: boolean
  planar: boolean
  photometric: string
  slope: number
  intercept: number
  windows: Window[]
  shape: Shape
  spacing: Spacing | null
  /** Six cosines; null when the object names none. */
  orientation: number[] | null
  position: number[] | null
  frameOfReference: string
  sliceThickness: number | null
  palette: Palette | null
}

/** Source: DICOM PS3.3 C.7.6.3.1.5. */
export interface Palette {
  first: number
  red: Uint8Array
  green: Uint8Array
  blue: Uint8Array
}

/** The frames of an instance; none when it holds no image. */
export function frameFacts(instance: DataSet): FrameFacts[] {
  const rows = number(instance, '00280010')
  const columns = number(instance, '00280011')
  if (!rows || !columns || !number(instance, '00280100')) return []
  const count = Math.max(1, number(instance, '00280008') ?? 1)
  return Array.from({ length: count }, (_, n) => oneFrame(instance, n))
}

function oneFrame(instance: DataSet, index: number): FrameFacts {
  // Enhanced objects say it per frame or for all frames; the others at the top. Source: DICOM PS3.3 C.7.6.16.
  const shared = items(instance, '52009229')[0] ?? {}
  const own = items(instance, '52009230')[index] ?? {}
  const group = (tag: string): DataSet => items(own, tag)[0] ?? items(shared, tag)[0] ?? instance
  const values = group('00289145')
  const voi = group('00289132')
  const bitsAllocated = number(instance, '00280100') ?? 16
  return {
    sopUid: text(instance, '00080018'),
    frame: index + 1,
    instanceNumber: number(instance, '00200013'),
    transferSyntax: text(instance, '00083002') || text(instance, '00020010'),
    modality: text(instance, '00080060'),
    rows: number(instance, '00280010') ?? 0,
    columns: number(instance, '00280011') ?? 0,
    samples: number(instance, '00280002') ?? 1,
    bitsAllocated,
    bitsStored: number(instance, '00280101') ?? bitsAllocated,
    signed: number(instance, '00280103') === 1,
    planar: number(instance, '00280006') === 1,
    photometric: text(instance, '00280004') || 'MONOCHROME2',
    slope: number(values, '00281053') || 1,
    intercept: number(values, '00281052') ?? 0,
    windows: windowsOf(voi),
    shape: shapeOf(voi),
    spacing: spacingOf(group('00289110'), instance),
    orientation: sized(numbers(group('00209116'), '00200037'), 6),
    position: sized(numbers(group('00209113'), '00200032'), 3),
    frameOfReference: text(instance, '00200052'),
    sliceThickness: number(group('00289110'), '00180050'),
    palette: text(instance, '00280004') === 'PALETTE COLOR' ? paletteOf(instance) : null,
  }
}

function shapeOf(set: DataSet): Shape {
  const name = text(set, '00281056')
  return name === 'LINEAR_EXACT' || name === 'SIGMOID' ? name : 'LINEAR'
}

function windowsOf(set: DataSet): Window[] {
  const widths = numbers(set, '00281051')
  const least = shapeOf(set) === 'LINEAR' ? 1 : Number.MIN_VALUE
  return numbers(set, '00281050').flatMap((center, n) => {
    const width = widths[n]
    return width !== undefined && width >= least ? [{ center, width }] : []
  })
}

/** Source: DICOM PS3.3 10.7.1 (Pixel Spacing in the patient; Imager Pixel Spacing at the detector's plane). */
function spacingOf(measures: DataSet, instance: DataSet): Spacing | null {
  const inPatient = positive(numbers(measures, '00280030'))
  if (inPatient) return { ...inPatient, plane: 'patient' }
  const atDetector = positive(numbers(instance, '00181164'))
  return atDetector && { ...atDetector, plane: 'detector' }
}

function positive([row, column]: number[]): { row: number; column: number } | null {
  return row !== undefined && column !== undefined && row > 0 && column > 0 ? { row, column } : null
}

function sized(values: number[], size: number): number[] | null {
  return values.length === size ? values : null
}

function paletteOf(instance: DataSet): Palette | null {
  const [count = 0, first = 0] = numbers(instance, '00281101')
  const tables = ['00281201', '00281202', '00281203'].map((tag) => inlineBytes(instance, tag))
  const [red, green, blue] = tables.map((bytes) => bytes && eightBits(bytes, count || 65536))
  return red && green && blue ? { first, red, green, blue } : null
}

/** Some writers put entries of 8 bits into words of 16 and still say 16. */
function eightBits(bytes: Uint8Array, count: number): Uint8Array {
  if (bytes.length < 2 * count) return bytes
  const words = new Uint16Array(bytes.slice(0, 2 * count).buffer)
  const wide = words.some((word) => word > 255)
  return Uint8Array.from(words, (word) => (wide ? word >> 8 : word))
}
