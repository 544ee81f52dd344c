/** The client SDK of the Databox export service. */

export {
  ExportClientError,
  ExportConnectionError,
  ExportWaitTimeoutError,
  type OpenCode,
  type ServiceErrorCode,
} from './errors.ts';
export {
  BATCH_EXPORTS_MAX,
  ExportClient,
  type ExportClientOptions,
  type RequestOptions,
  type WaitOptions,
} from './export-client.ts';
export type { JsonWritable } from './json-writable.ts';
export {
  type EventOptions,
  type ExportFilter,
  type LedgerEntriesOptions,
  type LedgerLogOptions,
  OwnerClient,
  type OwnerClientOptions,
  type OwnerEvent,
  type PageOptions,
  type Period,
} from './owner-client.ts';
export type { RepeatPolicy } from './repeat.ts';
export {
  type ExportAnswer,
  type ExportFailure,
  type ExportStatus,
  type FinishedExport,
  parseStatus,
  type UnfinishedExport,
} from './status.ts';
export type { ExportContent, NewExport } from './submission.ts';
export type { StreamOptions, StreamResult } from './submit-stream.ts';
export type { TokenRequest, TokenSource } from './token.ts';
export {
  type ReceiverKeys,
  type VerifiedWebhook,
  type WebhookHeaders,
  type WebhookVerificationCode,
  WebhookVerificationError,
  WebhookVerifier,
  type WebhookVerifierOptions,
} from './webhook-verifier.ts';
export type {
  JsonValue,
  WireAttempt,
  WireError,
  WireErrorCode,
  WireExport,
  WireLedgerEntry,
  WireLedgerLog,
  WireLink,
  WireNewExport,
  WireNewRule,
  WireOutcome,
  WireOwnedExport,
  WirePage,
  WirePoll,
  WireProblem,
  WireResponse,
  WireRootKeyRefresh,
  WireRule,
  WireSigningKey,
  WireSigningKeys,
  WireState,
  WireSummary,
} from './wire.ts';
