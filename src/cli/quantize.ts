import { Command, Option } from 'commander';
import type { WeightKind } from '../backend/backend.ts';
import { quantize } from '../quantize/quantize.ts';
import type { QuantizeOptions, QuantizeResult } from '../quantize/quantize.ts';
import { formatBytes, interruptible, progress, reportErrors } from './terminal.ts';

interface Flags {
  readonly groupSize: '128' | '-1';
  readonly rotate: boolean;
  readonly embedding: WeightKind;
  readonly head: WeightKind;
  readonly force: boolean;
  readonly json: boolean;
}

export function quantizeCommand(): Command {
  const storage = (name: string): Option => new Option(`--${name} <format>`, `how the ${name} is stored`).choices(['w8', 'w4', 'dense']).default('w8');
  return new Command('quantize')
    .description('turn a full-precision Hugging Face checkpoint into a 4-bit one')
    .argument('<hf-dir>', 'directory with config.json and safetensors')
    .argument('<out-dir>', 'directory to make')
    .addOption(new Option('--group-size <n>', 'input channels that share a scale; -1: one scale per output channel').choices(['128', '-1']).default('128'))
    .option('--no-rotate', 'leave the residual stream in its own basis')
    .addOption(storage('embedding'))
    .addOption(storage('head'))
    .option('--force', 'replace a Tetrad checkpoint at <out-dir>', false)
    .option('--json', 'print the result as JSON', false)
    .action((source: string, target: string, flags: Flags) => reportErrors(() => run(source, target, flags)));
}

async function run(source: string, target: string, flags: Flags): Promise<void> {
  const options: Partial<QuantizeOptions> = {
    groupSize: flags.groupSize === '128' ? 128 : -1,
    rotate: flags.rotate,
    embedding: flags.embedding,
    head: flags.head,
    force: flags.force,
  };
  const bar = progress();
  const result = await interruptible(async (signal) => {
    try {
      return await quantize(source, target, { ...options, signal }, ({ stage, name, done, total }) => bar.update(stage === 'check' ? `checking ${name}` : name, done, total));
    } finally {
      bar.stop();
    }
  });
  process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : summary(result));
}

function summary({ status, target, record, sourceBytes, targetBytes }: QuantizeResult): string {
  const { errors } = record;
  const lines = [
    status === 'present' ? `${target} is there already, made from this checkpoint with these options.` : `${target}: ${formatBytes(sourceBytes)} → ${formatBytes(targetBytes)}`,
    `steps: ${record.steps.join(', ')}${record.skipped.map((reason) => `; left out: ${reason}`).join('')}`,
    'relative error of the weights by layer:',
    ...errors.layers.map((layer, i) => `  ${String(i).padStart(3)}  ${Object.entries(layer).map(([name, error]) => `${name} ${(100 * error).toFixed(2)} %`).join('  ')}`),
    `all 4-bit weights: ${(100 * errors.total).toFixed(2)} %`,
  ];
  return `${lines.join('\n')}\n`;
}
