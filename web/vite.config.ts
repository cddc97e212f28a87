import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/**
 * The web UI's build. Nothing inline and nothing from elsewhere: the proxy's content security policy lets only its own files run.
 * The chunks that every page shares are named here; each page, and each heavy part (charts, highlighting, editor), is a chunk of its own by `import()`.
 */
// oxlint-disable-next-line import/no-default-export -- vite reads the default export
export default defineConfig({
  base: '/web/',
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    manifest: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'react', test: /node_modules\/(react|react-dom|scheduler)\// },
            { name: 'floating', test: /node_modules\/@floating-ui\// },
            {
              name: 'data',
              test: /(node_modules\/(@tanstack\/(?!react-virtual|virtual-core)|@connectrpc\/|@bufbuild\/)|\/gen\/)/,
            },
          ],
        },
      },
    },
  },
});
