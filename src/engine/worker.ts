/** The engine's thread: loads the model, then turns messages into steps. */
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { loadModel } from '../model/load.ts';
import type { EngineDescription } from './client.ts';
import { engineOver, type Engine } from './engine.ts';
import { encodeStep, type FromWorker, type ToWorker, type WorkerSetup } from './wire.ts';

const port = parentPort as MessagePort;
const post = (message: FromWorker): void => {
  port.postMessage(message, message instanceof Int32Array ? [message.buffer] : []);
};

const { directory, options } = workerData as WorkerSetup;
const { maxBatchSize: maxStepEntries, tokenBudget: maxStepTokens } = options;
const model = await loadModel(directory, { ...options, maxStepEntries, maxStepTokens }, (fraction) => post({ type: 'progress', fraction }));
const engine: Engine = engineOver(model, options, (outputs) => post(encodeStep(engine.stats(), outputs)));
let isOpen = true;

function receive(message: ToWorker): void {
  if (message.type === 'add') engine.add(message.id, message.request);
  else if (message.type === 'abort') engine.abort(message.id);
  else isOpen = false;
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
  backend: backend.name,
  backendDescription: backend.description,
  numBlocks: cache.numBlocks,
  blockSize: cache.blockSize,
  weightBytes,
  cacheBytes: cache.bytes,
};
post({ type: 'ready', description, stats: engine.stats() });
