export type Architecture = 'arm64' | 'x86_64';

export const DEFAULT_INSTANCE_TYPE = 't4g.micro';

/** `t4g.micro`, `m7gd.2xlarge`, `u-6tb1.metal`; says nothing of whether Amazon offers it. */
export const INSTANCE_TYPE_GRAMMAR =
  /^[a-z][a-z0-9-]{1,15}\.(nano|micro|small|medium|(\d{1,2})?x?large|metal(-\d{1,2}xl)?)$/;

/** Graviton families have a `g` right after their generation (`t4g`, `c7gn`, `m6gd`), and `a1`. */
export function architectureOf(instanceType: string): Architecture {
  const family = instanceType.split('.')[0] ?? '';
  return family === 'a1' || /^[a-z]+\d+g/.test(family) ? 'arm64' : 'x86_64';
}
