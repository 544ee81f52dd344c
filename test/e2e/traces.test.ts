/** Method: the service as a process, and a small receiver of OTLP over HTTP that says what it got. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { it } from 'node:test';
import * as nasty from '../support/destinations/nasty.ts';
import { ServiceProcess, TEST_FLAGS, tokenFor } from '../support/service.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN_ID = '00f067aa0ba902b7';
/** Says at the end of the process how many modules of OpenTelemetry it has loaded. */
const COUNTS_MODULES = `data:text/javascript,${encodeURIComponent(`
  import { createRequire } from 'node:module';
  const { cache } = createRequire('/');
  process.on('exit', () => {
    const loaded = Object.keys(cache).filter((path) => path.includes('@opentelemetry'));
    process.stderr.write('loaded of OpenTelemetry: ' + loaded.length + '\\n');
  });
`)}`;
const COUNTING = { NODE_OPTIONS: `--import=${COUNTS_MODULES}` };

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
  readonly events: readonly { readonly name: string }[];
}

interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: OtlpSpan['attributes'] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

/** A collector on this machine. */
async function startCollector() {
  const requests: OtlpRequest[] = [];
  const headers: (string | undefined)[] = [];
  const server = createServer(async (request, response) => {
    headers.push(request.headers['x-collector-key'] as string | undefined);
    requests.push((await json(request)) as OtlpRequest);
    response.setHeader('content-type', 'application/json').end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    headers,
    get spans() {
      return requests.flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      );
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function exportOnce(service: ServiceProcess, uri: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${service.url}/export`, {
    method: 'POST',
    headers: {
      'x-api-key': tokenFor({ destination: uri, client: 's3cret-app' }),
      prefer: 'wait=20',
      ...headers,
    },
    body: JSON.stringify({ uri, data: '{"s3cret":1}' }),
  });
  assert.match(await answer.text(), /"Finished"/);
}

it('an export is traced from its app on, and its destination hears nothing of that', async () => {
  await using collector = await startCollector();
  await using destination = await nasty.answers();
  await using service = await ServiceProcess.start([], TEST_FLAGS, {
    ...COUNTING,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=s3cret-key',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
  });
  const url = `${destination.url}/s3cret?s3cret`;
  await exportOnce(service, url, { traceparent: `00-${TRACE_ID}-${SPAN_ID}-01`, tracestate: 'x=y' });
  assert.equal(await service.end('SIGTERM'), 0);

  const { spans } = collector;
  assert.deepEqual(spans.map(({ name }) => name).sort(), ['export accept', 'export attempt', 'export queue']);
  const accept = spans.find(({ name }) => name === 'export accept');
  assert.equal(accept?.parentSpanId, SPAN_ID);
  for (const span of spans) {
    assert.equal(span.traceId, TRACE_ID);
    if (span !== accept) assert.equal(span.parentSpanId, accept?.spanId);
  }
  const attempt = spans.find(({ name }) => name === 'export attempt');
  assert.deepEqual(
    attempt?.events.map(({ name }) => name),
    ['connect', 'wait', 'body'],
  );
  assert.doesNotMatch(JSON.stringify(collector.requests), /s3cret/);
  assert.match(
    JSON.stringify(collector.requests),
    /deployment\.environment.*databox-export-service|databox-export-service.*deployment\.environment/,
  );
  assert.deepEqual(new Set(collector.headers), new Set(['s3cret-key']));
  const [received] = destination.received;
  assert.ok(
    received !== undefined && !('traceparent' in received.headers) && !('tracestate' in received.headers),
  );
  assert.match(service.written.stderr, /loaded of OpenTelemetry: [1-9]/);
  assert.doesNotMatch(service.written.stderr, /s3cret/);
});

it('nothing of OpenTelemetry is loaded when nobody asks for traces', async () => {
  await using destination = await nasty.answers();
  await using service = await ServiceProcess.start([], TEST_FLAGS, COUNTING);
  await exportOnce(service, destination.url, { traceparent: `00-${TRACE_ID}-${SPAN_ID}-01` });
  assert.equal(await service.end('SIGTERM'), 0);
  assert.match(service.written.stderr, /loaded of OpenTelemetry: 0\n/);
});

it('a collector that is not there costs no export and no clean stop, and the log says so', async () => {
  await using destination = await nasty.answers();
  await using service = await ServiceProcess.start([], TEST_FLAGS, {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: await nasty.closedPort(),
    OTEL_EXPORTER_OTLP_TIMEOUT: '200',
  });
  await exportOnce(service, destination.url);
  assert.equal(await service.end('SIGTERM'), 0);
  assert.match(service.written.stderr, /traces could not be sent/);
});
