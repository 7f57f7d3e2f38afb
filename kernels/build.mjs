#!/usr/bin/env node
/**
 * Builds the CPU kernels with the compiler at hand: `node kernels/build.mjs`, or `buildKernels()` from set-up and tests; with `--check`
 * a program that compares the paths instead.
 * The op files are compiled once for every path of this architecture; which one runs is chosen by cpuid when a context opens.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const KERNELS = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(KERNELS, 'cpu');
const BUILD = join(KERNELS, '..', 'build');

const COMMON = ['attend', 'ceiling', 'dense', 'embed', 'gate', 'linear', 'logits', 'norm', 'rope', 'sample'];
const ONCE = ['context', 'memory', 'paths', 'pool', 'program', 'select'];

const AVX2 = ['-mavx2', '-mfma', '-mf16c'];
const AVX512 = [...AVX2, '-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mavx512vnni', '-mprefer-vector-width=512'];

/** What a path that only multiplies otherwise compiles for itself. */
const OWN = ['attend', 'ceiling', 'linear', 'logits'];

/** Paths of an architecture. One with `base` compiles only `files` and takes the other ops from there (see paths.cpp). */
const PATHS = {
  x64: {
    amx: { flags: [...AVX512, '-mamx-tile', '-mamx-int8'], base: 'avx512vnni', files: OWN },
    avx512vnni: { flags: AVX512 },
    avxvnni: { flags: [...AVX2, '-mavxvnni'], base: 'avx2', files: OWN },
    avx2: { flags: AVX2 },
    portable: { flags: [] },
  },
  arm64: {
    i8mm: { flags: ['-march=armv8.2-a+dotprod+i8mm'], base: 'portable', files: OWN },
    dotprod: { flags: ['-march=armv8.2-a+dotprod'], base: 'portable', files: OWN },
    portable: { flags: [] },
  },
};

const COMPILE = ['-O3', '-std=c++17', '-fPIC', '-fvisibility=hidden', '-ffp-contract=off', '-fno-math-errno', '-fno-strict-aliasing', '-pthread', '-Wall', '-Wextra', '-Wno-psabi', '-Wno-maybe-uninitialized', '-Wno-uninitialized'];
const LINK = {
  linux: ['-shared', '-static-libstdc++', '-static-libgcc', '-Wl,-z,nodelete', '-pthread'],
  darwin: ['-dynamiclib', '-pthread'],
  win32: ['-shared', '-static-libstdc++', '-static-libgcc', '-pthread'],
};
/** What makes a library of it, not a program. */
const SHARED = new Set(['-shared', '-dynamiclib', '-Wl,-z,nodelete']);
const EXTENSION = { linux: 'so', darwin: 'dylib', win32: 'dll' };
const INSTALL = {
  linux: "install a C++ compiler (Debian, Ubuntu: 'apt install g++'; Fedora: 'dnf install gcc-c++')",
  darwin: "install the command line tools ('xcode-select --install')",
  win32: 'install MinGW-w64 and put g++ on the PATH',
};

/** The first compiler that answers, with the first line of --version and the architecture that it makes code for; or null. */
export function findCompiler() {
  for (const name of [process.env.CXX, 'g++', 'clang++']) {
    if (!name) continue;
    const answer = spawnSync(name, ['--version'], { encoding: 'utf8' });
    if (answer.status !== 0) continue;
    const machine = spawnSync(name, ['-dumpmachine'], { encoding: 'utf8' }).stdout.split('-')[0];
    return { name, version: answer.stdout.split('\n')[0], target: { x86_64: 'x64', aarch64: 'arm64' }[machine] ?? machine };
  }
  return null;
}

/** Every object to make: source, object name, flags. `only`: names of paths, or all. */
function units(target, extra, only, check) {
  const paths = Object.entries(PATHS[target] ?? { portable: { flags: [] } }).filter(([path]) => only.length === 0 || only.includes(path));
  const have = paths.map(([path]) => `-DTT_HAVE_${path}`);
  const list = ONCE.map((file) => ({ source: `${file}.cpp`, object: file, flags: [...COMPILE, ...have, ...extra] }));
  if (check) list.push({ source: 'check.cpp', object: 'check', flags: ['-O1', '-std=c++17', '-pthread', '-Wall', '-Wextra'] });
  for (const [path, { flags, base = path, files = COMMON }] of paths) {
    for (const file of files) list.push({ source: `${file}.cpp`, object: `${file}-${path}`, flags: [...COMPILE, ...flags, `-DTT_PATH=${path}`, `-DTT_BASE=${base}`, ...extra] });
  }
  return list;
}

const digest = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 16);
};

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (output += text));
    child.on('error', (error) => resolve({ ok: false, output: String(error) }));
    child.on('close', (code) => resolve({ ok: code === 0, output }));
  });
}

/** Compiles what has no object yet, some at a time; returns the compiler's words on the first failure, or null. */
async function compileAll(compiler, list) {
  const pending = list.filter((unit) => !existsSync(unit.path));
  let failure = null;
  const worker = async () => {
    while (failure === null && pending.length > 0) {
      const unit = pending.shift();
      const partial = `${unit.path}.${process.pid}`;
      const { ok, output } = await run(compiler.name, [...unit.flags, '-c', join(SOURCES, unit.source), '-o', partial]);
      if (ok) renameSync(partial, unit.path);
      else failure = `${unit.source}: ${output}`;
      if (ok && output && process.env.TETRAD_BUILD_VERBOSE) process.stderr.write(output);
    }
  };
  await Promise.all(Array.from({ length: Math.min(8, availableParallelism()) }, worker));
  return failure;
}

/**
 * Builds what is stale: the library, or with `check` the program that drives it (cpu/check.cpp). Returns its path, or one line that
 * says what is missing. Flags beyond the usual ones (sanitizers) come from TETRAD_CXXFLAGS, names of the paths to build from TETRAD_PATHS;
 * each makes a library of its own, and so does a compiler for another architecture.
 * @param {{ quiet?: boolean, check?: boolean }} [options]
 * @returns {Promise<{ path: string } | { missing: string }>}
 */
export async function buildKernels({ quiet = false, check = false } = {}) {
  const platform = process.platform;
  if (!(platform in LINK)) return { missing: `the CPU kernels do not build on ${platform}; the reference backend runs instead` };
  const compiler = findCompiler();
  const extra = (process.env.TETRAD_CXXFLAGS ?? '').split(' ').filter(Boolean);
  const only = (process.env.TETRAD_PATHS ?? '').split(',').filter(Boolean);
  const headers = [join(KERNELS, 'kernels.h'), ...readdirSync(SOURCES).filter((file) => file.endsWith('.h')).sort().map((file) => join(SOURCES, file))];
  const shared = digest(compiler?.version ?? '', ...headers.map((file) => readFileSync(file)));
  const target = compiler?.target ?? process.arch;
  const variant = extra.length + only.length > 0 || target !== process.arch ? `-${digest(target, ...extra, '', ...only).slice(0, 8)}` : '';
  const objects = join(BUILD, `objects${variant}`);
  const list = units(target, extra, only, check).map((unit) => {
    const stamp = digest(shared, unit.flags.join(' '), readFileSync(join(SOURCES, unit.source)));
    return { ...unit, stamp, path: join(objects, `${unit.object}-${stamp}.o`) };
  });
  const link = [...LINK[platform].filter((flag) => !check || !SHARED.has(flag)), ...extra];
  const sources = digest(...headers.map((file) => readFileSync(file)), ...list.map((unit) => `${unit.flags.join(' ')} ${digest(readFileSync(join(SOURCES, unit.source)))}`), link.join(' '));
  const library = join(BUILD, check ? `tetrad-check${variant}` : `libtetrad-cpu${variant}.${EXTENSION[platform]}`);
  const stampFile = `${library}.stamp`;
  const [builtFrom, builtWith] = existsSync(library) && existsSync(stampFile) ? readFileSync(stampFile, 'utf8').split('\n') : [];
  if (builtFrom === sources && (compiler === null || builtWith === compiler.version)) return { path: library };
  // What is there was built from other sources: better none than that.
  const without = (missing) => {
    rmSync(library, { force: true });
    return { missing };
  };
  if (compiler === null) return without(`no C++ compiler: the slow reference backend runs; for speed ${INSTALL[platform]}`);

  mkdirSync(objects, { recursive: true });
  if (!quiet) process.stderr.write(`Building the CPU kernels with ${compiler.version} ...\n`);
  const failure = await compileAll(compiler, list);
  if (failure !== null) return without(`the CPU kernels did not compile with ${compiler.version}, so the slow reference backend runs: ${failure.trim()}`);
  const partial = `${library}.${process.pid}`;
  const linked = await run(compiler.name, [...list.map((unit) => unit.path), ...link, '-o', partial]);
  if (!linked.ok) return without(`the CPU kernels did not link with ${compiler.version}, so the slow reference backend runs: ${linked.output.trim()}`);
  renameSync(partial, library);
  writeFileSync(stampFile, `${sources}\n${compiler.version}`);
  const current = new Set(list.map((unit) => unit.path));
  for (const file of readdirSync(objects)) {
    if (!current.has(join(objects, file)) && !file.startsWith('check-')) rmSync(join(objects, file), { force: true });
  }
  return { path: library };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const result = await buildKernels({ check: process.argv.includes('--check') });
  if ('missing' in result) {
    process.stderr.write(`${result.missing}\n`);
    process.exitCode = 1;
  } else {
    process.stdout.write(`${result.path}\n`);
  }
}
