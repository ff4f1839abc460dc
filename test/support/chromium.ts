import { existsSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const CANDIDATES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The system's browser, or undefined where it has none. */
export const CHROMIUM = CANDIDATES.find((path) => path !== undefined && existsSync(path));

export const NO_CHROMIUM = 'no Chromium found: install the package chromium, or name a browser in CHROMIUM';

/** A loaded machine may be slow to start it, and to lay out a page. */
const PATIENCE_MS = 180_000;

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM as string,
    timeout: PATIENCE_MS,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-sync',
    ],
  });
}

export interface OpenPage {
  readonly page: Page;
  /** What went wrong in it, or left for the network: tests hold it to be empty at their end. */
  readonly mishaps: readonly string[];
}

/** A page of its own, closed with the test. */
export async function openPage(
  t: ExecutionContext,
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const mishaps: string[] = [];
  page.on('pageerror', (error) => mishaps.push(`${error.stack}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') mishaps.push(message.text());
  });
  page.on('request', (request) => {
    if (/^(https?|wss?):/.test(request.url())) mishaps.push(`request to ${request.url()}`);
  });
  t.teardown(() => context.close());
  return { page, mishaps };
}
