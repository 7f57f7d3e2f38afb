/** Time and peak memory of loading a checkpoint, in a process of its own: node dist/bench/load.js <directory> <backend>. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadModel } from '../src/model/load.ts';
import type { BackendName } from '../src/backend/open.ts';
import type { BenchResult } from './report.ts';

interface Loaded {
  readonly seconds: number;
  /** Bytes resident before loading, and at most. */
  readonly before: number;
  readonly peak: number;
}

export function benchLoad(directory: string, model: string, backend: BackendName): BenchResult {
  const size = readdirSync(directory).filter((name) => name.endsWith('.safetensors')).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
  const { seconds, before, peak } = JSON.parse(execFileSync(process.execPath, [fileURLToPath(import.meta.url), directory, backend], { encoding: 'utf8' })) as Loaded;
  const mb = (bytes: number): number => Math.round(bytes / 1e6);
  return {
    bench: 'load',
    configuration: { model, backend },
    rows: [{ 'file MB': mb(size), 'peak MB': mb(peak), 'of which Node MB': mb(before), 'peak / file': peak / size, 'without Node': (peak - before) / size, seconds }],
    summary: { peakOverFile: peak / size, seconds },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , directory, backend] = process.argv;
  const before = process.memoryUsage().rss;
  const start = performance.now();
  const model = await loadModel(directory, { backend: backend as BackendName });
  const seconds = (performance.now() - start) / 1000;
  model.close();
  process.stdout.write(JSON.stringify({ seconds, before, peak: process.resourceUsage().maxRSS * 1024 } satisfies Loaded));
}
