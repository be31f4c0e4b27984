/** Light for lists, dark for reading; the same measures in both. */

import { theme, type ThemeConfig } from 'antd'

const MEASURES = {
  fontSize: 14,
  controlHeight: 32,
  borderRadius: 4,
  fontFamily: "system-ui, -apple-system, 'Segoe UI', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif",
}

export const LIGHT: ThemeConfig = {
  token: { ...MEASURES, colorPrimary: '#0d5c66', colorLink: '#0d5c66', colorError: '#b3261e', colorBgLayout: '#f5f6f7', colorTextDescription: '#5a666d', colorTextPlaceholder: '#6f7b82' },
}

/** No pure white, no pure black around the image. */
export const DARK: ThemeConfig = {
  algorithm: theme.darkAlgorithm,
  token: {
    ...MEASURES,
    colorPrimary: '#2b8c99',
    colorBgBase: '#14181b',
    colorTextBase: '#d5dadd',
    colorError: '#ef6a5f',
    colorBgContainer: '#14181b',
    colorBgElevated: '#22292d',
    colorTextDescription: '#98a4ab',
    colorTextPlaceholder: '#8a969d',
  },
}
