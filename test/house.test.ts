/** The rooms of the house and the way imports may flow between them. */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

/** What each folder of src may import from, beside itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  backend: [],
  tokenizer: [],
  model: ['backend'],
  grammar: ['tokenizer'],
  engine: ['model', 'backend', 'grammar'],
  chat: ['engine', 'tokenizer', 'grammar'],
  quantize: ['model', 'backend'],
  cascade: ['chat'],
  agent: ['chat', 'cascade'],
  evaluate: ['chat', 'cascade', 'agent', 'engine', 'model', 'backend', 'tokenizer', 'grammar', 'quantize'],
  server: ['chat', 'cascade', 'engine', 'tokenizer'],
  cli: ['server', 'agent', 'evaluate', 'quantize', 'cascade', 'chat', 'engine', 'model', 'backend', 'tokenizer', 'grammar'],
};

/** Imports of a file that stay inside src, as folders of src. */
function importedFolders(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => match[1]);
  return specifiers.map((specifier) => relative('src', resolve(dirname(file), specifier)).split('/')[0]).filter((folder) => folder in MAY_IMPORT);
}

function sources(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return sources(path);
    return path.endsWith('.ts') && !path.endsWith('.test.ts') ? [path] : [];
  });
}

const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);

test.each(folders)('src/%s has a place in the house and imports only what lies below it', (folder) => {
  expect(Object.keys(MAY_IMPORT)).toContain(folder);
  for (const file of sources(join('src', folder))) {
    for (const imported of importedFolders(file)) {
      expect([folder, ...MAY_IMPORT[folder]], `${file} imports from ${imported}`).toContain(imported);
    }
  }
});

test('no arrow of the house points back', () => {
  const visit = (folder: string, path: readonly string[]): void => {
    expect(path, `a cycle: ${[...path, folder].join(' → ')}`).not.toContain(folder);
    for (const next of MAY_IMPORT[folder]) visit(next, [...path, folder]);
  };
  for (const folder of Object.keys(MAY_IMPORT)) visit(folder, []);
});
