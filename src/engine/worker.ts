/** The engine's thread: loads the model, then turns messages into steps. */
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { AmbiguityError } from '../grammar/automaton.ts';
import { GrammarError } from '../grammar/error.ts';
import type { Grammar } from '../grammar/grammar.ts';
import { loadVocabulary } from '../grammar/load.ts';
import { createMatcher } from '../grammar/matcher.ts';
import { loadModel } from '../model/load.ts';
import { NOTHING, type EngineDescription } from './client.ts';
import { engineOver, stepLimits, type Engine } from './engine.ts';
import type { Matcher } from './request.ts';
import { encodeStep, MAX_GRAMMARS, Recent, type FromWorker, type NamedGrammar, type ToWorker, type WorkerSetup } from './wire.ts';

const port = parentPort as MessagePort;
const post = (message: FromWorker): void => {
  port.postMessage(message, message instanceof Int32Array ? [message.buffer] : []);
};

const { directory, options } = workerData as WorkerSetup;
const model = await loadModel(directory, { ...options, ...stepLimits(options) }, (fraction) => post({ type: 'progress', fraction }));
const { vocabulary, refusal: grammarRefusal } = loadVocabulary(directory, model.config);
const engine: Engine = engineOver(model, options, (outputs) => post(encodeStep(engine.stats(), outputs)), vocabulary);
const grammars = new Recent<number, Grammar>(MAX_GRAMMARS);
let isOpen = true;

function receive(message: ToWorker): void {
  if (message.type === 'add') add(message);
  else if (message.type === 'abort') engine.abort(message.id);
  else isOpen = false;
}

function add({ id, request, grammar }: ToWorker & { readonly type: 'add' }): void {
  try {
    engine.add(id, request, grammar && matcherOf(grammar));
  } catch (error) {
    // A grammar that does not fit this vocabulary is the request's own trouble.
    if (!(error instanceof AmbiguityError || error instanceof GrammarError)) throw error;
    post(encodeStep(engine.stats(), [{ id, ...NOTHING, finishReason: 'abort', error: error.message }]));
  }
}

function matcherOf({ id, grammar: added }: NamedGrammar): Matcher {
  if (added !== null) grammars.set(id, added);
  const grammar = grammars.get(id);
  if (grammar === undefined || vocabulary === null) throw new Error(`Grammar ${id} is not known here`);
  return createMatcher(grammar, vocabulary);
}

// One message wakes the thread; those that come while it works are polled for between steps.
port.on('message', (first: ToWorker) => {
  receive(first);
  while (isOpen && engine.hasWork) {
    engine.step();
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) receive(next.message as ToWorker);
  }
  if (isOpen) return;
  model.close();
  port.close();
});

const { backend, cache, config, weightBytes } = model;
const description: EngineDescription = {
  vocabSize: config.vocabSize,
  maxModelLength: engine.maxModelLength,
  eosTokenIds: config.eosTokenIds,
  grammarRefusal,
  backend: backend.name,
  backendDescription: backend.description,
  numBlocks: cache.numBlocks,
  blockSize: cache.blockSize,
  weightBytes,
  cacheBytes: cache.bytes,
};
post({ type: 'ready', description, stats: engine.stats() });
