export function buildKernels(options?: { quiet?: boolean; check?: boolean }): Promise<{ path: string } | { missing: string }>;
export function findCompiler(): { name: string; version: string; target: string } | null;
