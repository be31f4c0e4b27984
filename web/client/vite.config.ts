/// <reference types="vitest/config" />
import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { pressesAtOnce } from './dev/presses-at-once.ts'
import { scriptBudget } from './dev/script-budget.ts'

/** A node to work against: `MERIDIAN_NODE=http://127.0.0.1:8042 npm run dev`. */
const node = process.env.MERIDIAN_NODE ?? 'http://127.0.0.1:8042'
/** The node checks that a change comes from its own pages, so the proxy says what the node would see. */
const proxied = { target: node, changeOrigin: true, headers: { origin: node } }

function installed(path: string): string {
  return fileURLToPath(new URL(`./node_modules/${path}`, import.meta.url))
}

export default defineConfig({
  plugins: [react(), scriptBudget(), pressesAtOnce()],
  resolve: {
    alias: [
      // Without these two Vite puts empty shims in their place: the build succeeds and the page is blank.
      { find: /^events$/, replacement: installed('events/events.js') },
      { find: /^url$/, replacement: installed('url/url.js') },
    ],
  },
  // Workers of Cornerstone3D import other modules.
  worker: { format: 'es' },
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2022',
    // The pages' policy allows no inline script, and every browser that runs this preloads modules.
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4000,
  },
  server: { proxy: { '/api': proxied, '/dicomweb': proxied } },
  test: { include: ['src/**/*.test.ts', 'dev/**/*.test.mjs'], environment: 'node' },
})
