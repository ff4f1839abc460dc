/** The promise's value, or undefined once the time has passed or the signal came: a look-up may take longer than the request has. */
export function inTime<T>(promise: Promise<T>, ms: number, signal?: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.max(0, Math.ceil(ms)), undefined);
    signal?.addEventListener('abort', () => resolve(undefined), { once: true });
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
