import type { QuantizationRecord } from './quantize.ts';

const STEPS: Record<string, string> = {
  rotate: 'block-input rotation: norm weights folded into the linears, residual stream in a Hadamard basis',
  ranges: 'range search: least squared error of each weight in the arithmetic that is served',
};

const STORAGE = { w4: '4 bit', w8: '8 bit', dense: 'full precision' };

/** README.md of a quantized checkpoint. */
export function modelCard(record: QuantizationRecord): string {
  const { source, errors } = record;
  const columns = Object.keys(errors.layers[0] ?? {});
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const percent = (error: number | null): string => (error === null ? 'full precision' : `${(100 * error).toFixed(2)} %`);
  return `---
base_model: ${JSON.stringify(source.name)}
base_model_relation: quantized
tags: [tetrad, 4-bit]
---

# ${source.name}, 4-bit weights

Made by \`tetrad quantize\` from ${source.name} (sha256 of config.json and weights: \`${source.sha256}\`), without data. Runs with
8-bit activations and a 4-bit key-value cache: \`tetrad serve <this directory>\`.

- groups: ${record.group_size === -1 ? 'one per output channel' : `${record.group_size} input channels, two-level scales`}
- embedding: ${STORAGE[record.embedding]}; head: ${STORAGE[record.head]}
${record.steps.map((step) => `- ${STEPS[step] ?? step}`).join('\n')}
${record.skipped.map((step) => `- left out: ${step}\n`).join('')}
## Errors

‖W − Ŵ‖ / ‖W‖ of each weight, after the steps above; \`block\`: all weights of the layer together.

${row(['layer', ...columns])}
${row(['---', ...columns.map(() => '---')])}
${errors.layers.map((layer, i) => row([String(i), ...columns.map((column) => percent(layer[column]))])).join('\n')}

Embedding: ${percent(errors.embedding)}. Head: ${percent(errors.head)}. All 4-bit weights: ${percent(errors.total)}.
`;
}
