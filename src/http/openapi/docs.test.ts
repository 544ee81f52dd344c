import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { HttpFixture, tokenWith } from '../../../test/support/http/http-fixture.ts';
import { VERSION } from '../../version.ts';
import { PROBLEM_KINDS } from '../problem.ts';
import { POLL_SCHEMA } from '../schema/request-schemas.ts';
import { REDOC_SHA256 } from './docs-routes.ts';
import { openApiDocument } from './document.ts';
import { ERROR_ENTRIES, FAILURE_TEXTS } from './error-texts.ts';
import { errorsPage } from './errors-page.ts';

const SETTINGS = { bodyBytesMax: 64 * 1_024, longPollMaxMs: 300_000, attemptsMax: 9 };

/** As much of OpenAPI as the tests look at. */
interface Described {
  paths: Record<string, Record<string, DescribedOperation>>;
  components: { schemas: Record<string, object> };
}

interface DescribedOperation {
  operationId: string;
  security: object[];
  requestBody?: { content: Record<string, DescribedContent> };
  responses: Record<string, { description: string; content: Record<string, DescribedContent> }>;
  'x-codeSamples'?: { lang: string; source: string }[];
}

interface DescribedContent {
  schema: object;
  examples?: Record<string, { value: unknown }>;
}

const DOCUMENT = openApiDocument('1.2.3', SETTINGS) as unknown as Described;

/** Whether `value` matches a schema of the document. */
function matches(schema: object, value: unknown): boolean {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  return ajv.validate({ ...schema, components: DOCUMENT.components }, value);
}

function operations(): [path: string, method: string, operation: DescribedOperation][] {
  return Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, DescribedOperation] => [
      path,
      method,
      operation,
    ]),
  );
}

function operation(path: string): DescribedOperation {
  const found = DOCUMENT.paths[path]?.post;
  assert.ok(found);
  return found;
}

describe('/openapi.json', () => {
  it('is served to whoever asks, and says which release and settings it is about', async () => {
    await using fixture = await HttpFixture.start({ settings: { attemptsMax: 4 } });
    const answer = await fixture.send({ method: 'GET', path: '/openapi.json', token: null });
    assert.equal(answer.status, 200);
    assert.match(String(answer.headers['content-type']), /^application\/json/);
    const document = JSON.parse(answer.text);
    assert.deepEqual([document.openapi, document.info.version], ['3.1.1', VERSION]);
    assert.equal(document.components.schemas.NewExport.properties.attempts_max.maximum, 4);
  });

  it('has the very schemas that requests are judged by', () => {
    assert.equal(DOCUMENT.components.schemas.Poll, POLL_SCHEMA);
    assert.match(
      readFileSync(new URL('../export-call.ts', import.meta.url), 'utf8'),
      /judgeBy\(POLL_SCHEMA\)[\s\S]*judgeBy\(newExportSchema\(/,
    );
  });

  it('refers to nothing that is not in it', () => {
    const text = JSON.stringify(DOCUMENT);
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name]) => name ?? '',
    );
    assert.ok(references.length > 4);
    assert.equal(references.length, text.match(/"\$ref"/g)?.length);
    for (const name of references) assert.ok(DOCUMENT.components.schemas[name], name);
  });

  it("describes every route of the owner's", () => {
    const source = readFileSync(new URL('../owner-routes.ts', import.meta.url), 'utf8');
    const routes = [...source.matchAll(/addOwnerRoute\(\s*app,\s*parts,\s*'(\w+)',\s*'([^']+)'/g)];
    assert.ok(routes.length >= 9);
    for (const [, method = '', path = ''] of routes) {
      const described = DOCUMENT.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
      assert.ok(described, `${method} ${path} belongs into owner-operations.ts`);
    }
  });

  it('describes operations that are there, each under a name of its own', async () => {
    await using fixture = await HttpFixture.start({ signingKeys: () => [] });
    const ids = operations().map(([, , { operationId }]) => operationId);
    assert.equal(new Set(ids).size, ids.length);
    for (const [path, method, { security }] of operations()) {
      const url = path.replace('{id}', '01a2b3c4-d5e6-7f80-9a0b-1c2d3e4f5061');
      const other = await fixture.send({ method: 'PATCH', path: url, token: null });
      assert.equal(other.status, 405, path);
      assert.ok(String(other.headers.allow).split(', ').includes(method.toUpperCase()), path);
      const answer = await fixture.send({ method: method.toUpperCase(), path: url, token: null });
      assert.equal(answer.status === 401, security.length > 0, path);
    }
  });

  it('has examples of requests that are taken as they are', async () => {
    await using fixture = await HttpFixture.start({ limits: { pendingMax: 100 } });
    const token = tokenWith({ destination: 'https://lab.example/in' });
    for (const path of ['/export', '/lp/export?timeout=0']) {
      const body = operation(path.replace(/\?.*/, '')).requestBody?.content['application/json'];
      assert.ok(body?.examples);
      for (const [name, { value }] of Object.entries(body.examples)) {
        assert.ok(matches(body.schema, value), name);
        const answer = await fixture.send({ path, token, body: value });
        // The export that the examples poll for is not there.
        const isPoll = name === 'poll' || name === 'polls';
        assert.equal(isPoll ? answer.json.code : answer.status, isPoll ? 'unknown_export' : 200, name);
      }
    }
  });

  it('has a schema for answers that every answer matches, its own examples too', async () => {
    await using fixture = await HttpFixture.start();
    const answer = operation('/export').responses['200']?.content['application/json'];
    assert.ok(answer?.examples);
    const { schema } = answer;
    const told = Object.values(answer.examples).map(({ value }) => value);
    assert.equal(told.length, 4);
    const body = { uri: 'https://receiver.example/in', data: 1 };
    const one = await fixture.send({ body });
    const many = await fixture.send({ body: [body, body] });
    for (const value of [...told, one.json, many.json, [one.json]]) assert.ok(matches(schema, value));
    for (const wrong of [
      {},
      { ...one.json, state: 'Done' },
      { ...one.json, ext_response: { status: 200 } },
    ]) {
      assert.equal(matches(schema, wrong), false);
    }
  });

  it('has a schema for refusals that they match, under their statuses', async () => {
    await using fixture = await HttpFixture.start();
    const { responses } = operation('/export');
    for (const options of [
      { token: null },
      { token: 'x' },
      { body: {} },
      { body: '{' },
      { body: { id: '01a2b3c4-d5e6-7f80-9a0b-1c2d3e4f5061' } },
      { body: { uri: 'https://receiver.example/in', data: 'x'.repeat(70_000) } },
    ]) {
      const answer = await fixture.send(options);
      const described = responses[String(answer.status)];
      assert.ok(described, String(answer.status));
      assert.ok(described.description.includes(`[\`${answer.json.code}\`](#${answer.json.code})`));
      const schema = described.content['application/problem+json']?.schema ?? { not: {} };
      assert.ok(matches(schema, answer.json));
      assert.equal(matches(schema, { ...answer.json, code: 'made_up' }), false);
    }
  });

  it('shows a program in each of four languages beside each operation for apps', () => {
    for (const path of ['/export', '/lp/export']) {
      const samples = operation(path)['x-codeSamples'] ?? [];
      assert.deepEqual(
        samples.map(({ lang }) => lang),
        ['Shell', 'TypeScript', 'Go', 'Python'],
      );
      for (const { source } of samples) assert.match(source, /EXPORT_URL|fromEnvironment/);
    }
  });
});

describe('/docs', () => {
  it('has a section for every code, where the type of a problem leads', async () => {
    await using fixture = await HttpFixture.start();
    const page = await fixture.send({ method: 'GET', path: '/docs', token: null });
    assert.equal(page.status, 200);
    assert.match(String(page.headers['content-type']), /^text\/html/);
    const codes = Object.keys(PROBLEM_KINDS);
    assert.deepEqual(ERROR_ENTRIES.map(({ code }) => code).sort(), codes.sort());
    for (const code of [...codes, ...FAILURE_TEXTS.map((text) => text.code)]) {
      assert.equal(page.text.split(`<section id="${code}">`).length, 2, code);
    }
    const refusal = await fixture.send({ token: null });
    const type = new URL(refusal.json.type, 'http://service.example');
    assert.equal(type.pathname, '/docs');
    assert.ok(page.text.includes(`id="${type.hash.slice(1)}"`));
  });

  it('needs nothing from elsewhere, and may load nothing from there', async () => {
    await using fixture = await HttpFixture.start();
    const page = await fixture.send({ method: 'GET', path: '/docs', token: null });
    const policy = String(page.headers['content-security-policy']);
    assert.match(policy, /^default-src 'none'/);
    assert.doesNotMatch(policy, /https?:|\*/);
    const loaded = [...page.text.matchAll(/<(?:script|link)[^>]+(?:src|href)="([^"]+)"/g)].map(
      ([, url]) => url ?? '',
    );
    assert.equal(loaded.length, 4);
    for (const url of loaded) {
      if (url === 'data:,') continue;
      const { status, headers } = await fixture.send({ method: 'GET', path: `/${url}`, token: null });
      assert.equal(status, 200, url);
      assert.match(String(headers['content-type']), /^text\/(?:css|javascript)/);
    }
  });

  it('serves Redoc as its makers published it, compressed to who takes that', async () => {
    await using fixture = await HttpFixture.start();
    const page = await fixture.send({ method: 'GET', path: '/docs', token: null });
    const path = `/${/src="(docs\/redoc[^"]+)"/.exec(page.text)?.[1]}`;
    const get = (headers: Record<string, string>) =>
      fixture.send({ method: 'GET', path, token: null, headers });
    const plain = await get({});
    assert.equal(plain.headers['content-encoding'], undefined);
    assert.equal(createHash('sha256').update(plain.text).digest('hex'), REDOC_SHA256);
    assert.match(String(plain.headers['cache-control']), /immutable/);
    const packed = await get({ 'accept-encoding': 'gzip, deflate' });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.ok(Number(packed.headers['content-length']) < 400_000);
    assert.equal((await get({ 'accept-encoding': 'gzip;q=0' })).headers['content-encoding'], undefined);
  });
});

describe('docs/errors.md', () => {
  it('is what the table of errors makes (npm run docs writes it)', () => {
    assert.equal(readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8'), errorsPage());
  });

  it('has no cell that is broken by a bar', () => {
    const rows = errorsPage()
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    assert.equal(rows.length, ERROR_ENTRIES.length + FAILURE_TEXTS.length + 1);
    for (const row of rows) assert.ok([5, 6].includes(row.split('|').length), row);
  });
});
