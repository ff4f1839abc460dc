/** Endpoint of a service that names none. */
export const DEFAULT_ENDPOINT = 'GET /';

/** Splits `service METHOD /path` or a bare `service` at the first space. */
export function parseCallee(reference: string): { readonly service: string; readonly endpoint: string | undefined } {
  const space = reference.indexOf(' ');
  if (space < 0) return { service: reference, endpoint: undefined };
  return { service: reference.slice(0, space), endpoint: reference.slice(space + 1) };
}

/**
 * Which of a service's endpoint keys is meant, or undefined where none is or several could be. No endpoint named means
 * `GET /` (or `<method> /` where a method is given), else the only one.
 *
 * @param unnamed the service names no endpoints: its default endpoint answers every method
 */
export function chooseEndpoint(
  keys: readonly string[],
  unnamed: boolean,
  endpoint: string | undefined,
  method: string | undefined,
): string | undefined {
  if (endpoint !== undefined) return keys.includes(endpoint) ? endpoint : undefined;
  if (unnamed) return DEFAULT_ENDPOINT;
  const root = `${method ?? 'GET'} /`;
  if (keys.includes(root)) return root;
  const [only] = keys;
  return keys.length === 1 && (method === undefined || only?.startsWith(`${method} `)) ? only : undefined;
}
