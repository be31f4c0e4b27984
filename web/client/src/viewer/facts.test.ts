import { expect, test } from 'vitest'
import { frameFacts } from './facts'

const BASE = {
  '00080018': { vr: 'UI', Value: ['1.2.3'] },
  '00280010': { vr: 'US', Value: [4] },
  '00280011': { vr: 'US', Value: [5] },
  '00280100': { vr: 'US', Value: [16] },
}

test('an instance without pixels has no frames', () => {
  expect(frameFacts({ '00080018': { vr: 'UI', Value: ['1.2.3'] } })).toEqual([])
})

test('the row spacing stands first', () => {
  const [frame] = frameFacts({ ...BASE, '00280030': { vr: 'DS', Value: [2, 0.5] } })
  expect(frame?.spacing).toEqual({ row: 2, column: 0.5, plane: 'patient' })
})

test('spacing at the detector is marked as such', () => {
  const [frame] = frameFacts({ ...BASE, '00181164': { vr: 'DS', Value: ['0.1', '0.1'] } })
  expect(frame?.spacing).toEqual({ row: 0.1, column: 0.1, plane: 'detector' })
})

test('a spacing of nothing is no spacing', () => {
  const [frame] = frameFacts({ ...BASE, '00280030': { vr: 'DS', Value: [0, 0] } })
  expect(frame?.spacing).toBeNull()
})

test('a window without width is left out', () => {
  const [frame] = frameFacts({
    ...BASE,
    '00281050': { vr: 'DS', Value: [40, 300] },
    '00281051': { vr: 'DS', Value: [0, 400] },
  })
  expect(frame?.windows).toEqual([{ center: 300, width: 400 }])
})

test('each frame of an enhanced object has its own place', () => {
  const place = (z: number) => ({
    '00209113': { vr: 'SQ', Value: [{ '00200032': { vr: 'DS', Value: [0, 0, z] } }] },
  })
  const frames = frameFacts({
    ...BASE,
    '00280008': { vr: 'IS', Value: [2] },
    '52009229': {
      vr: 'SQ',
      Value: [{ '00209116': { vr: 'SQ', Value: [{ '00200037': { vr: 'DS', Value: [1, 0, 0, 0, 1, 0] } }] } }],
    },
    '52009230': { vr: 'SQ', Value: [place(1), place(2)] },
  })
  expect(frames.map((frame) => frame.position?.[2])).toEqual([1, 2])
  expect(frames[1]?.orientation).toEqual([1, 0, 0, 0, 1, 0])
})
