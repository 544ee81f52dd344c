import type { TokenSource } from './token.ts';

/** Environment variables, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a service is and how to be let in, as the environment has it. */
export interface EnvironmentOptions {
  url: string;
  token: TokenSource;
}

/** Reads a text file. */
export type ReadFile = (path: string) => Promise<string>;

/** The address inside a box; the box's own clients have it built in. */
const URL_IN_A_BOX = 'https://export-service:8080';
const URL_ELSEWHERE = 'http://127.0.0.1:8080';
/** What the box's container manager gives every app. */
const MARKS_OF_A_BOX = ['DATABOX_ARBITER_ENDPOINT', 'DATABOX_LOCAL_NAME'] as const;

/**
 * The address: `EXPORT_URL`, else `DATABOX_EXPORT_SERVICE_ENDPOINT` (older boxes set it), else the one that every box
 * has when this runs in one, else this machine. The token: `EXPORT_TOKEN`, else the content of the file that
 * `EXPORT_TOKEN_FILE` names, read again when the service refuses it.
 *
 * @param given a token that is known already
 * @throws TypeError when there is no token
 */
export function readEnvironment(
  environment: Environment = processEnvironment(),
  readFile: ReadFile = readFileOfTheSystem,
  given?: TokenSource,
): EnvironmentOptions {
  const url = value(environment, 'EXPORT_URL') ?? value(environment, 'DATABOX_EXPORT_SERVICE_ENDPOINT');
  return { url: url ?? usualUrl(environment), token: given ?? tokenSource(environment, readFile) };
}

function usualUrl(environment: Environment): string {
  return MARKS_OF_A_BOX.some((name) => value(environment, name)) ? URL_IN_A_BOX : URL_ELSEWHERE;
}

function tokenSource(environment: Environment, readFile: ReadFile): TokenSource {
  const token = value(environment, 'EXPORT_TOKEN');
  if (token !== undefined) return token;
  const file = value(environment, 'EXPORT_TOKEN_FILE');
  if (file !== undefined) return () => readFile(file);
  throw new TypeError(
    'The environment has no token. Set EXPORT_TOKEN, or EXPORT_TOKEN_FILE to a file that holds it, or give the ' +
      'client a token.',
  );
}

/** A variable that is set to nothing counts as not set. */
function value(environment: Environment, name: string): string | undefined {
  return environment[name] === '' ? undefined : environment[name];
}

/** As much of Node's `process` as is used; Deno and Bun have it too. */
interface ProcessLike {
  env: Environment;
  getBuiltinModule?(name: 'node:fs/promises'): { readFile(path: string, encoding: 'utf8'): Promise<string> };
}

function processLike(): ProcessLike {
  const { process } = globalThis as { process?: ProcessLike };
  if (process?.env === undefined) {
    throw new TypeError('There is no environment here. Give the client a url and a token.');
  }
  return process;
}

function processEnvironment(): Environment {
  return processLike().env;
}

/** Not an import of `node:fs`, which no browser and no bundler for one could resolve. */
function readFileOfTheSystem(path: string): Promise<string> {
  const files = processLike().getBuiltinModule?.('node:fs/promises');
  if (files === undefined) {
    throw new TypeError(
      'EXPORT_TOKEN_FILE needs Node 20.16 or newer, Deno or Bun. Set EXPORT_TOKEN instead.',
    );
  }
  return files.readFile(path, 'utf8');
}
