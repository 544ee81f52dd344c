import type { Resolver } from '../../../src/delivery/egress-guard.ts';

/** For what has to do with addresses alone: there is no name. */
export const noNames: Resolver = (name, _options, callback) =>
  callback(Object.assign(new Error(`no names here: ${name}`), { code: 'ENOTFOUND' }), []);
