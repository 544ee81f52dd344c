import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import type { OwnerBox } from './owner-box.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Of axe's rules at least so many are about something on any view of ours. */
const RULES_MIN = 5;
/** What WCAG 2.2 AA asks for, as far as a program can tell. */
const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** Longer than anything takes on a machine that does other things too. */
export const PATIENCE_MS = 20_000;

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** A reader of the page: a browser with nothing in it. Notes what went wrong, and whom it talked to. */
export class Reader implements AsyncDisposable {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of scripts, and what the policy of the page forbade. */
  readonly complaints: string[] = [];
  /** Origins that were asked for something. */
  readonly origins = new Set<string>();

  private constructor(context: BrowserContext, page: Page) {
    this.context = context;
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(`${error}`));
    page.on('console', (message) => {
      // Answers that are refusals, and a service that is away, are told of by the browser itself.
      const isNetwork = /^Failed to load resource|net::ERR/.test(message.text());
      if (message.type() === 'error' && !isNetwork) this.complaints.push(message.text());
    });
    page.on('request', (request) => this.origins.add(new URL(request.url()).origin));
  }

  static async open(browser: Browser, options: BrowserContextOptions = {}): Promise<Reader> {
    // Without movements: whoever presses would wait until they are over.
    const usual = { locale: 'en-GB', timezoneId: 'UTC', reducedMotion: 'reduce' } as const;
    const context = await browser.newContext({ ...usual, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    return new Reader(context, await context.newPage());
  }

  /** Opens the page with a link of its own. */
  async signIn(box: Pick<OwnerBox, 'link'>): Promise<Page> {
    await this.page.goto(await box.link());
    await this.page.getByRole('navigation').waitFor();
    return this.page;
  }

  /** Fails with what axe finds. */
  async checkAccessibility(what: string): Promise<void> {
    await this.settle();
    // The debugger's way in: the policy of the page lets no script run that is not its own.
    await this.page.evaluate(AXE);
    const options = { runOnly: { type: 'tag', values: WCAG } };
    const { violations, passes } = await this.page.evaluate<{ violations: Violation[]; passes: number }>(
      `axe.run(document, ${JSON.stringify(options)}).then(({ violations, passes }) => ({ violations, passes: passes.length }))`,
    );
    assert.ok(passes > RULES_MIN, `${passes} rules were looked at`);
    const words = violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
    );
    assert.deepEqual(words, [], what);
  }

  /** Until nothing moves any more. */
  async settle(): Promise<void> {
    await this.page.evaluate(
      `Promise.all(document.getAnimations().filter((one) => one.effect.getComputedTiming().iterations < 9).map((one) => one.finished))`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
  }
}
