/** Lines of code per folder: without blank lines, comments and tests. `--json` prints one object. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const LANGUAGES = { '.ts': 'TypeScript', '.mjs': 'TypeScript', '.cpp': 'C++', '.h': 'C++', '.cu': 'C++', '.py': 'Python' };
const FOLDERS = ['src', 'kernels', 'training', 'scripts', 'bin', 'bench', 'test', 'examples'];
/** What a request runs through; the design aims at 3,000 lines. */
const CORE = ['src/engine', 'src/model', 'src/backend', 'src/tokenizer'];

const isTest = (file) => file.endsWith('.test.ts') || relative(root, file).startsWith('test');

function* filesOf(directory) {
  for (const name of readdirSync(directory).sort()) {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) {
      if (name !== 'fixtures' && name !== '__pycache__') yield* filesOf(path);
    } else if (extname(name) in LANGUAGES) yield path;
  }
}

function countLines(file) {
  const text = readFileSync(file, 'utf8');
  const code = extname(file) === '.py' ? text.replace(/^\s*#.*$/gm, '') : text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  return code.split('\n').filter((line) => line.trim() !== '').length;
}

const rows = new Map();
for (const folder of FOLDERS) {
  let files = [];
  try {
    files = [...filesOf(join(root, folder))];
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  for (const file of files) {
    const parts = relative(root, dirname(file)).split('/').slice(0, 2).join('/');
    const row = rows.get(parts) ?? { folder: parts, files: 0, lines: 0, testLines: 0 };
    row.files += 1;
    row[isTest(file) ? 'testLines' : 'lines'] += countLines(file);
    rows.set(parts, row);
  }
}
const folders = [...rows.values()];
const sum = (list, key) => list.reduce((total, row) => total + row[key], 0);
const core = sum(folders.filter((row) => CORE.includes(row.folder)), 'lines');

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ folders, core, lines: sum(folders, 'lines'), testLines: sum(folders, 'testLines') }));
} else {
  const print = (folder, files, lines, testLines) => console.log(folder.padEnd(20), String(files).padStart(6), String(lines).padStart(7), String(testLines).padStart(7));
  print('folder', 'files', 'lines', 'tests');
  for (const row of folders) print(row.folder, row.files, row.lines, row.testLines);
  print('total', sum(folders, 'files'), sum(folders, 'lines'), sum(folders, 'testLines'));
  console.log(`engine core (${CORE.map((folder) => folder.slice(4)).join(', ')}): ${core} lines; aim 3000`);
}
