import { expect, test } from 'vitest';
import { findLibrary } from '../backend/native.ts';
import type { CallItem, CallSet } from './calls.ts';
import { evaluatePerplexity } from './perplexity.ts';

const MODEL = 'models/tetrad-nano';
const OPTIONS = { backend: findLibrary('cpu') === null ? 'reference' : 'cpu' } as const;
const WEATHER = { function: { name: 'get_weather', description: 'Get the current weather in a city', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } };

const item = (...calls: CallItem['calls']): CallItem => ({ kind: 'call', tools: ['get_weather'], messages: [{ role: 'user', content: "What's the weather in Lisbon?" }], calls });
const set = (...items: CallItem[]): CallSet => ({ tools: { get_weather: WEATHER }, items });
const weather = (city: string): CallItem['calls'][number] => ({ name: 'get_weather', arguments: { city } });

test('the embedded model expects the right call and not another', async () => {
  const right = await evaluatePerplexity(MODEL, MODEL, set(item(weather('Lisbon')), item()), OPTIONS);
  expect(right.items).toBe(1);
  expect(right.perplexity).toBeGreaterThanOrEqual(1);
  expect(right.perplexity).toBeLessThan(1.2);
  const wrong = await evaluatePerplexity(MODEL, MODEL, set(item(weather('Marrakesh'))), OPTIONS);
  expect(wrong.perplexity).toBeGreaterThan(2 * right.perplexity);
}, 60_000);
