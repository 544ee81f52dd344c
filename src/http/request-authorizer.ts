import type { Authorizer } from '../auth/authorizer.ts';

/** What the HTTP side asks of the authorizer: whose token it is, and whether it clears this request. */
export type RequestAuthorizer = Pick<
  Authorizer,
  'authenticate' | 'clearRequest' | 'clearDestination' | 'clearPoll' | 'clearOwner'
>;
