export function buildKernels(options?: { quiet?: boolean; check?: boolean }): Promise<{ path: string } | { missing: string }>;
