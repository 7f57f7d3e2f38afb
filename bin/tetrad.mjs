#!/usr/bin/env node
/** The command line. From a checkout it first makes sure that what it runs is built from the sources as they are. */
import { existsSync } from 'node:fs';

if (existsSync(new URL('../tsconfig.json', import.meta.url))) {
  const { setup } = await import('../scripts/setup.mjs');
  await setup().catch((error) => {
    process.stderr.write(`tetrad: set-up failed: ${error.message}\n`);
    process.exit(1);
  });
}
await import('../dist/src/cli/main.js');
