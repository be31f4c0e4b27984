/** The codec packages carry no types of their own for these entries. */

interface CodecModule {
  JPEGDecoder: new () => unknown
  JpegLSDecoder: new () => unknown
  J2KDecoder: new () => unknown
  HTJ2KDecoder: new () => unknown
}

declare module '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs' {
  export default function start(options: { locateFile: () => string }): Promise<CodecModule>
}
declare module '@cornerstonejs/codec-charls/decodewasmjs' {
  export default function start(options: { locateFile: () => string }): Promise<CodecModule>
}
declare module '@cornerstonejs/codec-openjpeg/decodewasmjs' {
  export default function start(options: { locateFile: () => string }): Promise<CodecModule>
}
declare module '@cornerstonejs/codec-openjph/wasmjs' {
  export default function start(options: { locateFile: () => string }): Promise<CodecModule>
}
