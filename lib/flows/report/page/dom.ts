type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;
type Child = Node | string | null;

/** An element; children that are texts stay texts. */
export function el<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(name), attributes, children);
}

export function svgEl<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function fill<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : `${value}`);
  }
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

export function byId<E extends Element = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found as unknown as E;
}

/** Told to those who listen to the page. */
export function announce(text: string): void {
  byId('live').textContent = text;
}

export function msText(ms: number | null): string {
  if (ms === null || Number.isNaN(ms)) return '–';
  if (Math.abs(ms) >= 1000) return `${Number((ms / 1000).toPrecision(3))} s`;
  if (Math.abs(ms) >= 100) return `${Math.round(ms)} ms`;
  return `${Number(ms.toPrecision(Math.abs(ms) >= 10 ? 3 : 2))} ms`;
}

export function plural(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;
}
