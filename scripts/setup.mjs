/**
 * Makes a checkout ready to run: installs the packages, compiles the TypeScript, builds the kernels; each only where what it is
 * made from has changed. Prints nothing when there is nothing to do.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import unpackFixtures from './fixtures.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const say = (text) => process.stderr.write(`tetrad: ${text}\n`);

export async function setup() {
  const lock = await takeLock();
  try {
    step('packages', 'installing packages', ['package-lock.json'], join(root, 'node_modules'), () =>
      run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--no-usage', ...npmCache()]),
    );
    step('typescript', 'compiling', ['package-lock.json', 'tsconfig.json', 'src', 'bench', 'test', 'examples'], join(root, 'dist'), () => {
      rmSync(join(root, 'dist'), { recursive: true, force: true });
      run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '--project', join(root, 'tsconfig.json')]);
    });
    unpackFixtures();
    const { buildKernels } = await import('../kernels/build.mjs');
    const built = await buildKernels({ quiet: false });
    if (built.missing) say(built.missing);
  } finally {
    lock.release();
  }
}

/** Runs `make` unless the stamp in `target` names the sources as they are now. */
function step(name, what, sources, target, make) {
  const stamp = join(target, `.tetrad-${name}`);
  const hash = hashOf(sources);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return;
  say(what);
  make();
  mkdirSync(target, { recursive: true });
  writeFileSync(stamp, hash);
}

function hashOf(sources) {
  const hash = createHash('sha256');
  for (const file of sources.flatMap((source) => filesOf(join(root, source)))) hash.update(file).update(readFileSync(file));
  return hash.digest('hex');
}

function filesOf(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).sort().flatMap((name) => (name === 'fixtures' ? [] : filesOf(join(path, name))));
}

/** Where the home directory can't be written, npm needs another place for its cache. */
function npmCache() {
  try {
    accessSync(homedir(), constants.W_OK);
    return [];
  } catch {
    return process.env.npm_config_cache ? [] : ['--cache', join(tmpdir(), 'tetrad-npm-cache')];
  }
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' && command === 'npm' });
  if (error) throw new Error(`${command} could not be started: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ${args[0]} failed with status ${status}`);
}

/** One set-up at a time; a lock whose process is gone is taken over. */
async function takeLock() {
  const file = join(root, '.tetrad-setup.lock');
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return { release: () => rmSync(file, { force: true }) };
    } catch (error) {
      if (error.code === 'EROFS' || error.code === 'EACCES') return { release() {} };
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = holderOf(file);
    if (!isAlive(holder)) rmSync(file, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, 200));
    if (attempt === 10) say(`waiting for another set-up, process ${holder}; if that is something else, remove ${file}`);
  }
}

/** 0 while its maker has not written it yet, or when it is gone by now: then another look decides. */
function holderOf(file) {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return 0;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await setup().catch((error) => {
    say(error.message);
    process.exitCode = 1;
  });
}
