import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { EXAMPLE_QUESTIONS } from '@civex/gateway';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { chromium } from 'playwright-core';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startSandboxHub } from '../test-support/test-hub.ts';
import type { TestHub } from '../test-support/test-hub.ts';

const CHROMIUM = process.env['CIVEX_TEST_CHROMIUM'] ?? '/usr/bin/chromium';
const REASON = existsSync(CHROMIUM) ? null : `no browser at ${CHROMIUM}; install chromium or set CIVEX_TEST_CHROMIUM`;

// Reporters leave out the titles of what is skipped.
if (REASON !== null) process.stderr.write(`GraphiQL tests skipped: ${REASON}\n`);

/** The part of a question that tells it from the others, as the editor shows it. */
const firstLine = (query: string): string => query.trim().split('\n')[0] ?? '';

describe.skipIf(REASON !== null)(`GraphiQL in a browser${REASON === null ? '' : ` (skipped: ${REASON})`}`, () => {
  let sandbox: Sandbox;
  let hub: TestHub;
  let profile: string;
  let browser: BrowserContext;
  let page: Page;
  /** Every address the page asked for that is not the hub's own. */
  const foreign: string[] = [];
  const faults: string[] = [];

  beforeAll(async () => {
    sandbox = await startSandbox();
    hub = await startSandboxHub(sandbox);
    profile = await mkdtemp(path.join(tmpdir(), 'civex-browser-'));
    browser = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      headless: true,
      viewport: { width: 1_400, height: 900 },
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    page = browser.pages()[0] ?? (await browser.newPage());
    browser.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`${hub.url}/`) && !/^(data|blob):/.test(url)) foreign.push(url);
    });
    // Nothing but the hub can be reached, so that a page that needs more cannot work here either.
    await browser.route(/^https?:/, (route) =>
      route.request().url().startsWith(`${hub.url}/`) ? route.continue() : route.abort(),
    );
    page.on('pageerror', (error) => faults.push(error.message));
    await page.goto(`${hub.url}/graphql`);
    await page.locator('.graphiql-query-editor').waitFor();
  });
  afterAll(async () => {
    await browser.close();
    await hub[Symbol.asyncDispose]();
    await sandbox.close();
    await rm(profile, { recursive: true, force: true });
  });

  /** What a part of the page shows; the editor writes no-break spaces. */
  const shown = async (selector: string): Promise<string> =>
    (await page.locator(selector).innerText()).replaceAll('\u00a0', ' ');

  test('opens with one tab for each example question', async () => {
    await expect.poll(() => page.locator('.graphiql-tab').count()).toBe(EXAMPLE_QUESTIONS.length);
    await expect.poll(() => shown('.graphiql-query-editor')).toContain(firstLine(EXAMPLE_QUESTIONS[0]?.query ?? ''));
  });

  test('runs the first question and shows what came', async () => {
    await page.locator('.graphiql-execute-button').click();
    await expect.poll(() => shown('.result-window'), { timeout: 15_000 }).toContain('bordeaux:');
    expect(await shown('.result-window')).not.toContain('"errors"');
  });

  test('runs the last question from its tab', async () => {
    const last = EXAMPLE_QUESTIONS.length - 1;
    await page.locator('.graphiql-tab').nth(last).click();
    await expect.poll(() => shown('.graphiql-query-editor')).toContain(firstLine(EXAMPLE_QUESTIONS[last]?.query ?? ''));
    await page.locator('.graphiql-execute-button').click();
    await expect.poll(() => shown('.result-window'), { timeout: 15_000 }).toContain('totalCount');
  });

  test('shows the documentation of a field', async () => {
    await page.getByRole('button', { name: /documentation explorer/i }).click();
    const docs = page.locator('.graphiql-doc-explorer');
    await docs.getByText('Query', { exact: true }).first().click();
    await expect.poll(() => docs.innerText()).toContain('Datasets of all or some catalogs.');
    await docs.getByText('datasetsById', { exact: true }).click();
    await expect
      .poll(() => docs.innerText())
      .toContain('Same length and order as ids; a failing source nulls only its own entries');
    if (process.env['CIVEX_TEST_SCREENSHOT'] !== undefined)
      await page.screenshot({ path: process.env['CIVEX_TEST_SCREENSHOT'] });
  });

  test('asks nobody but the hub, and nothing on the page breaks', () => {
    expect(foreign).toEqual([]);
    expect(faults).toEqual([]);
  });
});
