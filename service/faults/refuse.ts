import type { Scene } from './effects';

/** Closes the listening sockets: new connections are refused, health checks too; those that stand are served. */
export function refuse(durationMs: number, { node, lasting }: Scene): void {
  node.listeners.refuse();
  lasting(durationMs, node.listeners.accept);
}
