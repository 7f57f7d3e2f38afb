/** The kernels under the compiler's sanitizers: the checker (kernels/cpu/check.cpp) is built with them and run in a process of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findCompiler } from '../../kernels/build.mjs';

const BUILD = join(import.meta.dirname, '../../kernels/build.mjs');
const LIMIT = 240_000;

/** Paths with addresses and undefined behaviour, AMX as loops; threads, which paths know nothing of, with the plainest. */
const RUNS = [
  { name: 'address and undefined', flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-DTETRAD_EMULATE'], paths: 'amx,avx512vnni,avx2,portable', cases: 3 },
  { name: 'thread', flags: ['-fsanitize=thread'], paths: 'portable', cases: 1 },
];

/** Whether a program so compiled links and runs here. */
function works(flags: readonly string[]): boolean {
  const compiler = findCompiler();
  if (compiler === null) return false;
  const directory = mkdtempSync(join(tmpdir(), 'tetrad-sanitizer-'));
  try {
    const source = join(directory, 'main.cpp');
    const program = join(directory, 'main');
    writeFileSync(source, '#include <thread>\nint main() { std::thread([] {}).join(); }\n');
    return spawnSync(compiler.name, [...flags, '-pthread', source, '-o', program]).status === 0 && spawnSync(program).status === 0;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

describe.each(RUNS)('$name', ({ flags, paths, cases }) => {
  test.skipIf(!works(flags))(
    'finds nothing',
    () => {
      const environment = { ...process.env, TETRAD_CXXFLAGS: ['-O1', '-g1', ...flags].join(' '), TETRAD_PATHS: paths };
      const built = spawnSync(process.execPath, [BUILD, '--check'], { env: environment, encoding: 'utf8' });
      expect(built.status, built.stderr).toBe(0);
      const run = spawnSync(built.stdout.trim(), ['--cases', String(cases)], { encoding: 'utf8' });
      expect(run.status, run.stdout + run.stderr).toBe(0);
      expect(run.stdout).toContain(': 0 differences');
    },
    LIMIT,
  );
});
