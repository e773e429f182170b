import { defineConfig } from "vitest/config";

export default defineConfig({
  // The rooms are imported as `#room`; under test they resolve to the sources, not to dist.
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
  },
});
