import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tetrad setup '));
  cpSync('kernels', join(root, 'kernels'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

const EXTENSION = { darwin: 'dylib', win32: 'dll' }[process.platform as string] ?? 'so';
const library = (): string => join(root, 'build', `libtetrad-cpu.${EXTENSION}`);

function buildWithoutCompiler(): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [join(root, 'kernels', 'build.mjs')], { encoding: 'utf8', env: { ...process.env, PATH: root, CXX: '', TETRAD_CXXFLAGS: '' } });
}

test('without a compiler one line says so and what to install', () => {
  const { status, stderr } = buildWithoutCompiler();
  expect(status).toBe(1);
  expect(stderr).toMatch(/^no C\+\+ compiler: the slow reference backend runs; for speed install .*\n$/);
});

test('a library of other sources is never left in place of the one that could not be built', () => {
  mkdirSync(join(root, 'build'));
  writeFileSync(library(), 'old');
  writeFileSync(`${library()}.stamp`, 'of other sources\ng++');
  expect(buildWithoutCompiler().status).toBe(1);
  expect(existsSync(library())).toBe(false);
});

test('a library of these sources serves on a machine that has lost its compiler', () => {
  const own = join('build', `libtetrad-cpu.${EXTENSION}`);
  if (!existsSync(own)) return;
  mkdirSync(join(root, 'build'));
  writeFileSync(library(), 'current');
  writeFileSync(`${library()}.stamp`, readFileSync(`${own}.stamp`));
  expect(buildWithoutCompiler().status).toBe(0);
  expect(existsSync(library())).toBe(true);
});
