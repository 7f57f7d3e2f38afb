/** Why a grammar was refused: which keyword, where, and what to do. */
export class GrammarError extends Error {
  override name = 'GrammarError';
  /** The keyword (or construct) that can't be enforced; empty where none is to blame. */
  readonly keyword: string;
  /** JSON pointer (schemas) or line (grammars) of it. */
  readonly pointer: string;
  readonly reason: string;
  /** Which part of a source made of several: its label, or the steps that lead to it; empty where there is one only. */
  readonly part: string;

  constructor(keyword: string, pointer: string, reason: string, part = '') {
    super(`${part === '' ? '' : `${part}: `}${keyword === '' ? '' : `${keyword} at `}${pointer === '' ? 'the root' : pointer}: ${reason}`);
    this.keyword = keyword;
    this.pointer = pointer;
    this.reason = reason;
    this.part = part;
  }
}

/** Too many sources wait that take long to compile; later this one may be taken. */
export class CompilerBusyError extends Error {
  override name = 'CompilerBusyError';
}

/** Work that a compile may do before it is refused: hostile input ends in bounded time and memory. */
export class Budget {
  #left = 2_000_000;

  spend(units: number): void {
    this.#left -= units;
    if (this.#left < 0) throw new BudgetError();
  }
}

/** Thrown where only the caller knows the place; becomes a GrammarError there. */
export class BudgetError extends Error {
  override name = 'BudgetError';

  constructor(message = 'too large: compiling it would take too long; simplify it') {
    super(message);
  }
}

let active: Budget | null = null;

/** While `work` runs, everything that calls `spend` draws on the budget. */
export function metered<T>(budget: Budget, work: () => T): T {
  const outer = active;
  active = budget;
  try {
    return work();
  } finally {
    active = outer;
  }
}

export function spend(units: number): void {
  active?.spend(units);
}
