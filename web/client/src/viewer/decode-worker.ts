/** The codecs, each read when its first frame comes. Source: DICOM PS3.5 Annex A.4. */

import type { Answer, Task } from './decode'
import { decodeRle } from './rle'

/** What the WebAssembly decoders have in common. */
interface Codec {
  getEncodedBuffer: (size: number) => Uint8Array
  decode: () => void
  getDecodedBuffer: () => Uint8Array
  /** JPEG-LS alone; its value is 0 when the samples come plane by plane. */
  getInterleaveMode?: () => unknown
}

type Shape = Omit<Task, 'id' | 'bytes' | 'syntax'>
type Opened = Promise<() => Codec>

const opened = new Map<string, Opened>()

self.onmessage = ({ data: task }: MessageEvent<Task>) => {
  decodeTask(task).then(
    (bytes) => answer({ id: task.id, bytes }),
    (cause: unknown) => answer({ id: task.id, error: String(cause) }),
  )
}

function answer(message: Answer): void {
  self.postMessage(message, { transfer: message.bytes ? [message.bytes.buffer] : [] })
}

async function decodeTask({ bytes, syntax, ...shape }: Task): Promise<Uint8Array> {
  switch (syntax) {
    case '1.2.840.10008.1.2.5':
      return decodeRle(bytes, shape)
    case '1.2.840.10008.1.2.4.57':
    case '1.2.840.10008.1.2.4.70': {
      const { Decoder } = await import('@cornerstonejs/jpeg-lossless-decoder-js')
      const wide = shape.bitsAllocated > 8 ? 2 : 1
      const { buffer, byteOffset, byteLength } = new Decoder().decode(slicedBuffer(bytes), 0, bytes.length, wide)
      return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice()
    }
    default:
      return byCodec(bytes, await codecFor(syntax), shape)
  }
}

function byCodec(bytes: Uint8Array, open: () => Codec, shape: Shape): Uint8Array {
  const codec = open()
  codec.getEncodedBuffer(bytes.length).set(bytes)
  codec.decode()
  const samples = codec.getDecodedBuffer().slice()
  const mode = codec.getInterleaveMode?.()
  const planes = mode === 0 || (mode as { value?: number } | undefined)?.value === 0
  return planes && shape.samples > 1 ? interleaved(samples, shape) : samples
}

function interleaved(planes: Uint8Array, { samples }: Shape): Uint8Array {
  const count = planes.length / samples
  return Uint8Array.from(planes, (_, n) => planes[(n % samples) * count + Math.floor(n / samples)] ?? 0)
}

function codecFor(syntax: string): Opened {
  const name = CODECS[syntax]
  if (!name) return Promise.reject(new Error(`No codec for ${syntax}.`))
  const known = opened.get(name)
  if (known) return known
  const opening = OPEN[name]()
  opened.set(name, opening)
  return opening
}

const CODECS: Record<string, keyof typeof OPEN> = {
  '1.2.840.10008.1.2.4.50': 'jpeg',
  '1.2.840.10008.1.2.4.80': 'jpegLs',
  '1.2.840.10008.1.2.4.81': 'jpegLs',
  '1.2.840.10008.1.2.4.90': 'jpeg2000',
  '1.2.840.10008.1.2.4.91': 'jpeg2000',
  '1.2.840.10008.1.2.4.201': 'htj2k',
  '1.2.840.10008.1.2.4.202': 'htj2k',
  '1.2.840.10008.1.2.4.203': 'htj2k',
}

const OPEN = {
  jpeg: async () => {
    const [{ default: start }, { default: wasm }] = await Promise.all([
      import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'),
      import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm?url'),
    ])
    const codec = await start({ locateFile: () => wasm })
    return () => new codec.JPEGDecoder() as Codec
  },
  jpegLs: async () => {
    const [{ default: start }, { default: wasm }] = await Promise.all([
      import('@cornerstonejs/codec-charls/decodewasmjs'),
      import('@cornerstonejs/codec-charls/decodewasm?url'),
    ])
    const codec = await start({ locateFile: () => wasm })
    return () => new codec.JpegLSDecoder() as Codec
  },
  jpeg2000: async () => {
    const [{ default: start }, { default: wasm }] = await Promise.all([
      import('@cornerstonejs/codec-openjpeg/decodewasmjs'),
      import('@cornerstonejs/codec-openjpeg/decodewasm?url'),
    ])
    const codec = await start({ locateFile: () => wasm })
    return () => new codec.J2KDecoder() as Codec
  },
  htj2k: async () => {
    const [{ default: start }, { default: wasm }] = await Promise.all([
      import('@cornerstonejs/codec-openjph/wasmjs'),
      import('@cornerstonejs/codec-openjph/wasm?url'),
    ])
    const codec = await start({ locateFile: () => wasm })
    return () => new codec.HTJ2KDecoder() as Codec
  },
}

function slicedBuffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer
}
