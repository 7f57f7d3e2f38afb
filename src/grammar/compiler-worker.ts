/** The compiler's thread: one source at a time, as JSON text. */
import { parentPort, type MessagePort } from 'node:worker_threads';
import { compileGrammar } from './compile.ts';
import type { GrammarSource } from './compile.ts';
import type { Compiled } from './compiler.ts';
import { GrammarError } from './error.ts';
import type { Grammar } from './grammar.ts';

const port = parentPort as MessagePort;

function compile(text: string): Compiled {
  try {
    const grammar = compileGrammar(JSON.parse(text) as GrammarSource);
    return { type: 'grammar', grammar, bytes: sizeOf(grammar) };
  } catch (error) {
    if (error instanceof GrammarError) return { type: 'refused', keyword: error.keyword, pointer: error.pointer, reason: error.reason, part: error.part };
    return { type: 'failed', message: `The grammar compiler failed: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** Roughly, in bytes. */
function sizeOf({ lexemes, rules }: Grammar): number {
  let bytes = 0;
  for (const lexeme of lexemes) {
    bytes += 200;
    if (lexeme.kind === 'words') for (const word of lexeme.words) bytes += 32 + 2 * word.length;
    else if (lexeme.kind === 'number') bytes += lexeme.table.next.byteLength;
    else if (lexeme.kind === 'text' && lexeme.dfa !== null) bytes += lexeme.dfa.next.byteLength + lexeme.dfa.bounds.byteLength;
  }
  for (const rule of rules) bytes += 100 * (rule.kind === 'choice' ? rule.alternatives.length : rule.kind === 'array' ? rule.prefix.length + 2 : rule.named.length + rule.open.length + 1);
  return bytes;
}

port.on('message', (text: string) => {
  port.postMessage('begun' satisfies string);
  port.postMessage(compile(text));
});
