import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// A running service, for `npm run dev`: tcan up.
const service = process.env.TCAN_URL ?? "http://127.0.0.1:8000";
const ROUTES = ["animate", "poses", "jobs", "uploads", "objects", "estimates", "models", "usage", "openapi.json"];
const PROXIED = [...ROUTES.map((route) => `/${route}`), "/studio/session", "/studio/examples"];

export default defineConfig({
  base: "/studio/",
  resolve: { alias: { "tcan-client": here("../clients/typescript/src/index.ts") } },
  build: {
    outDir: here("../service/studio"),
    // The examples are beside the bundle; `make studio` removes old assets.
    emptyOutDir: false,
    target: "es2022",
    // Everything is a file of its own: the page's policy allows nothing else.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: {
    fs: { allow: [here("."), here("../clients/typescript/src")] },
    proxy: Object.fromEntries(PROXIED.map((path) => [path, { target: service, changeOrigin: true }])),
  },
  test: {
    include: ["src/**/*.test.ts"],
    environment: "node",
    // Only guards against hanging: the machine may be busy.
    testTimeout: 60_000,
  },
});
