/** What the rendering engine and its tools ask about an image, answered from the frame's facts. */

import { Enums } from '@cornerstonejs/core'
import { frameOf, type Frame } from './frames'

const { MetadataModules } = Enums

const AXIAL = [1, 0, 0, 0, 1, 0]

/** A provider for `metaData.addProvider`; undefined leaves the question to others. */
export function provide(type: string, imageId: unknown): unknown {
  const frame = typeof imageId === 'string' ? frameOf(imageId) : undefined
  if (!frame) return undefined
  switch (type) {
    case MetadataModules.IMAGE_PLANE:
      return imagePlane(frame)
    case MetadataModules.IMAGE_PIXEL:
      return {
        bitsAllocated: frame.bitsAllocated,
        bitsStored: frame.bitsStored,
        highBit: frame.bitsStored - 1,
        samplesPerPixel: frame.samples,
        photometricInterpretation: frame.photometric,
        pixelRepresentation: frame.signed ? 1 : 0,
      }
    case MetadataModules.GENERAL_SERIES:
      return { modality: frame.modality }
    case MetadataModules.VOI_LUT:
      return {
        windowCenter: frame.windows.map((each) => each.center),
        windowWidth: frame.windows.map((each) => each.width),
        voiLUTFunction: frame.shape,
      }
    case MetadataModules.MODALITY_LUT:
      return { rescaleSlope: frame.slope, rescaleIntercept: frame.intercept }
    default:
      return undefined
  }
}

/** Spacing of 1 and an axial place stand in where the object is silent; lengths and markers never use them. */
function imagePlane(frame: Frame): Record<string, unknown> {
  const orientation = frame.orientation ?? AXIAL
  return {
    rows: frame.rows,
    columns: frame.columns,
    imageOrientationPatient: orientation,
    rowCosines: orientation.slice(0, 3),
    columnCosines: orientation.slice(3, 6),
    imagePositionPatient: frame.position ?? [0, 0, 0],
    rowPixelSpacing: frame.spacing?.row ?? 1,
    columnPixelSpacing: frame.spacing?.column ?? 1,
    pixelSpacing: [frame.spacing?.row ?? 1, frame.spacing?.column ?? 1],
    sliceThickness: frame.sliceThickness,
    frameOfReferenceUID: frame.frameOfReference,
    usingDefaultValues: !frame.orientation || !frame.position || !frame.spacing,
  }
}
