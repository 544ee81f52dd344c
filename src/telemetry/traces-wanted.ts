import { UsageError } from '../config.ts';

/** What we speak; JSON by the exporter that we have. A collector that takes one of the two over HTTP takes the other. */
const PROTOCOLS = ['http/json', 'http/protobuf'];

/**
 * Whether the environment asks for traces, as OpenTelemetry's specification has it: by an endpoint, unless another variable
 * turns them off. What else it says (headers, time-outs, sampling, names) is read by OpenTelemetry itself.
 *
 * @throws UsageError for a protocol that we do not speak
 */
export function wantsTraces(env: Readonly<Record<string, string | undefined>>): boolean {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint || env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none')
    return false;
  const name = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL
    ? 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'
    : 'OTEL_EXPORTER_OTLP_PROTOCOL';
  const protocol = env[name];
  if (protocol && !PROTOCOLS.includes(protocol))
    throw new UsageError(`${name} must be one of ${PROTOCOLS.join(', ')}: traces are sent over HTTP`);
  if (!URL.canParse(endpoint)) throw new UsageError('OTEL_EXPORTER_OTLP_ENDPOINT must be a URL');
  return true;
}
