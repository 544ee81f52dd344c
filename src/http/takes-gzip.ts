import type { FastifyRequest } from 'fastify';

/** Every browser does; `gzip;q=0` and the like come from none. */
export function takesGzip({ headers }: FastifyRequest): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(headers['accept-encoding']?.toString() ?? '');
}
