const never = new Int32Array(new SharedArrayBuffer(4));

/** Stops the event loop, as a synchronous call to a slow disk would: it uses no CPU, and nothing else runs. */
export function block(durationMs: number): void {
  Atomics.wait(never, 0, 0, durationMs);
}
