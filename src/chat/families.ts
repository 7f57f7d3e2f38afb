/**
 * How families of models write tool calls: one row each, which the grammar of an answer, the parser of its text and the
 * rendering of earlier calls all read.
 */

/** What stands around the arguments, exactly as the family was trained to write it. */
export interface CallSyntax {
  /** json: a call is an object of name and arguments; named: the name stands before a JSON object; python: `f(a=1)`. */
  readonly style: 'json' | 'named' | 'python';
  /** Around all calls of an answer. */
  readonly open: string;
  readonly close: string;
  /** Of each call: before its name, between name and arguments, after them. */
  readonly head: string;
  readonly middle: string;
  readonly tail: string;
  readonly separator: string;
  /** Arguments stand where the name does otherwise, and the name behind them. */
  readonly argumentsFirst?: boolean;
}

export interface TagPair {
  readonly open: string;
  readonly close: string;
}

/** Around the result of a tool, where the template has no role for it. */
export interface ResultSyntax extends TagPair {
  readonly before: string;
  readonly after: string;
}

export interface Family {
  readonly name: string;
  /** Whether the chat template is of this family. */
  readonly matches: (template: string) => boolean;
  readonly calls: CallSyntax;
  /** The texts that begin calls. None: calls are bare, only their place tells them from text, the beginning of the answer. */
  readonly triggers: (names: readonly string[]) => readonly string[];
  /** Ends calls, where something does. */
  readonly closeTag: string;
  /** Tags within calls that may be single tokens. */
  readonly tags: readonly string[];
  readonly reasoning: TagPair;
  /** Stands before the text of an answer. */
  readonly textOpen: string;
  /** May stand before calls that have no tag. */
  readonly prefixes: readonly string[];
  /** Tools in the prompt, where the template does not show them. */
  readonly documentation?: (tools: readonly object[]) => string;
  /** Earlier calls are written into the text of the message: the template can't, or not as the family writes them. */
  readonly rewritesCalls: boolean;
  /** The template wants the arguments of earlier calls as text. */
  readonly argumentsAsText: boolean;
  /** The template wants ids of nine letters and digits. */
  readonly shortIds: boolean;
  /** Role of tool results in the template, where it is not `tool`; user: within user turns. */
  readonly resultRole: (template: string) => string;
  readonly results: ResultSyntax;
  /** The template puts results into JSON as they are. */
  readonly jsonResults: boolean;
}

type Row = Pick<Family, 'name' | 'matches' | 'calls'> & Partial<Family>;

const REASONING: TagPair = { open: '<think>', close: '</think>' };
const RESULTS: ResultSyntax = { open: '', before: '<tool_response>\n', after: '\n</tool_response>', close: '' };

function family(row: Row): Family {
  return {
    triggers: () => [],
    closeTag: '',
    tags: [],
    reasoning: REASONING,
    textOpen: '',
    prefixes: [],
    rewritesCalls: false,
    argumentsAsText: false,
    shortIds: false,
    resultRole: (template) => (/['"]tool['"]/u.test(template) ? 'tool' : 'user'),
    results: RESULTS,
    jsonResults: false,
    ...row,
  };
}

/** A list of objects of name and arguments. */
const LIST: CallSyntax = { style: 'json', open: '[', close: ']', head: '{"name": "', middle: '", "arguments": ', tail: '}', separator: ', ' };

const HERMES = family({
  name: 'hermes',
  matches: (template) => template.includes('<tool_call>'),
  calls: { style: 'json', open: '', close: '', head: '<tool_call>\n{"name": "', middle: '", "arguments": ', tail: '}\n</tool_call>', separator: '\n' },
  triggers: () => ['<tool_call>'],
  closeTag: '</tool_call>',
  tags: ['<tool_call>', '</tool_call>'],
});

/** The first that matches is taken. */
export const FAMILIES: readonly Family[] = [
  family({
    name: 'functionary',
    matches: (template) => template.includes('>>>all') || template.includes('>>>${recipient}'),
    calls: { style: 'named', open: '', close: '', head: '>>>', middle: '\n', tail: '', separator: '' },
    triggers: (names) => names.map((name) => `>>>${name}\n`),
    textOpen: '>>>all\n',
    argumentsAsText: true,
  }),
  family({
    name: 'deepseek',
    matches: (template) => template.includes('<｜Assistant｜>'),
    calls: {
      style: 'named',
      open: '<｜tool▁calls▁begin｜>',
      close: '<｜tool▁calls▁end｜>',
      head: '<｜tool▁call▁begin｜>function<｜tool▁sep｜>',
      middle: '\n```json\n',
      tail: '\n```<｜tool▁call▁end｜>',
      separator: '\n',
    },
    triggers: () => ['<｜tool▁calls▁begin｜>'],
    closeTag: '<｜tool▁calls▁end｜>',
    tags: ['<｜tool▁calls▁begin｜>', '<｜tool▁calls▁end｜>', '<｜tool▁call▁begin｜>', '<｜tool▁call▁end｜>', '<｜tool▁sep｜>'],
    rewritesCalls: true,
    resultRole: () => 'user',
    results: { open: '<｜tool▁outputs▁begin｜>', before: '<｜tool▁output▁begin｜>', after: '<｜tool▁output▁end｜>', close: '<｜tool▁outputs▁end｜>' },
  }),
  family({
    name: 'mistral',
    matches: (template) => template.includes('[ARGS]'),
    calls: { style: 'named', open: '', close: '', head: '[TOOL_CALLS]', middle: '[ARGS]', tail: '', separator: '' },
    triggers: () => ['[TOOL_CALLS]'],
    tags: ['[TOOL_CALLS]', '[ARGS]', '[CALL_ID]'],
    shortIds: true,
  }),
  family({
    name: 'mistral-list',
    matches: (template) => template.includes('[TOOL_CALLS]'),
    calls: { ...LIST, open: '[TOOL_CALLS][' },
    triggers: () => ['[TOOL_CALLS]'],
    tags: ['[TOOL_CALLS]'],
    shortIds: true,
    jsonResults: true,
  }),
  family({
    name: 'phi-functools',
    matches: (template) => template.includes('functools['),
    calls: { ...LIST, open: 'functools[' },
    triggers: () => ['functools['],
    rewritesCalls: true,
  }),
  family({
    name: 'phi-4-mini',
    matches: (template) => template.includes('<|/tool|>') || template.includes('<|tool_call|>'),
    calls: { ...LIST, open: '<|tool_call|>[', close: ']<|/tool_call|>' },
    triggers: () => ['<|tool_call|>'],
    closeTag: '<|/tool_call|>',
    tags: ['<|tool_call|>', '<|/tool_call|>'],
    documentation: (tools) => `<|tool|>${JSON.stringify(tools)}<|/tool|>`,
    rewritesCalls: true,
    resultRole: (template) => (template.includes('tool_response') ? 'tool' : 'tool_response'),
  }),
  family({
    name: 'llama-pythonic',
    matches: (template) => template.includes('func_name1('),
    calls: { style: 'python', open: '[', close: ']', head: '', middle: '(', tail: ')', separator: ', ' },
    prefixes: ['<|python_start|>', '<|python_tag|>'],
    tags: ['<|python_start|>', '<|python_tag|>'],
    rewritesCalls: true,
  }),
  {
    ...HERMES,
    name: 'hermes-2',
    matches: (template) => template.includes('{"arguments": <args-dict>'),
    calls: { ...HERMES.calls, head: '<tool_call>\n{"arguments": ', middle: ', "name": "', tail: '"}\n</tool_call>', argumentsFirst: true },
  },
  HERMES,
  family({
    name: 'xlam',
    matches: (template) => /xLAM|single JSON array/u.test(template),
    calls: LIST,
    prefixes: ['```json\n'],
  }),
  family({
    name: 'llama',
    matches: (template) => template.includes('<|start_header_id|>'),
    calls: { style: 'json', open: '', close: '', head: '{"name": "', middle: '", "parameters": ', tail: '}', separator: '; ' },
    prefixes: ['<|python_tag|>'],
    tags: ['<|python_tag|>'],
  }),
  family({
    name: 'gemma',
    matches: (template) => template.includes('<start_of_turn>'),
    calls: LIST,
    prefixes: ['```json\n', '```tool_code\n'],
  }),
];

/** Templates that say nothing of tools get the documentation, and the tags, of Hermes. */
export function familyOf(template: string): Family {
  return FAMILIES.find((candidate) => candidate.matches(template)) ?? HERMES;
}

/** Everything in an answer that a tokenizer may have as one token. */
export const tagsOf = ({ tags, reasoning }: Family): readonly string[] => [...tags, reasoning.open, reasoning.close];

/** The text that calls are written as, arguments as they are given. */
export function renderCalls(syntax: CallSyntax, calls: readonly { readonly name: string; readonly text: string }[]): string {
  const written = calls.map(({ name, text }) => {
    const spelled = spelledName(syntax, name);
    return syntax.head + (syntax.argumentsFirst === true ? text + syntax.middle + spelled : spelled + syntax.middle + text) + syntax.tail;
  });
  return syntax.open + written.join(syntax.separator) + syntax.close;
}

/** The name as it stands in a call. */
export const spelledName = ({ style }: CallSyntax, name: string): string => (style === 'json' ? JSON.stringify(name).slice(1, -1) : name);
