import type { Scene } from './effects';

/** `/readyz` answers 503; requests are served. */
export function unready(durationMs: number, { node, lasting }: Scene): void {
  node.unready.count += 1;
  lasting(durationMs, () => {
    node.unready.count -= 1;
  });
}
