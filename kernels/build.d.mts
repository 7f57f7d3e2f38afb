export function buildKernels(options?: { quiet?: boolean }): Promise<{ path: string } | { missing: string }>;
