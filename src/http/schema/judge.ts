import { Ajv2020 as Ajv, type ErrorObject } from 'ajv/dist/2020.js';
import { ExportError } from '../../export/errors.ts';
import { isTooDeep, JSON_DEPTH_MAX } from '../json-depth.ts';
import type { JsonSchema } from './json-schema.ts';

/** How messages call what is judged. */
interface Names {
  /** The value as a whole; its members are called by their names. */
  readonly whole?: string;
  /** One of its members. */
  readonly member?: 'field' | 'parameter';
}

/**
 * Compiles a schema to a function that refuses what does not match.
 *
 * @returns throws ExportError `invalid_request` for the first thing that is wrong; a message never shows a value
 */
export function judgeBy(schema: JsonSchema, names: Names = {}): (value: unknown) => void {
  const matches = ajv.compile(schema);
  return (value) => {
    if (matches(value)) return;
    const [error] = matches.errors ?? [];
    if (error === undefined) throw new TypeError('A value that does not match has an error.');
    throw new ExportError('invalid_request', inWords(error, names));
  };
}

const ajv = new Ajv({
  // The first error is the answer: looking for more would be work for nobody.
  allErrors: false,
  // Errors bring the schema they are about, and its words.
  verbose: true,
  // `format` tells the reader of the API page what a pattern means.
  validateFormats: false,
  strictTypes: false,
});
// In the standard it only informs; with us a string that says it holds JSON must do so.
ajv.removeKeyword('contentMediaType');
ajv.addKeyword({ keyword: 'contentMediaType', type: 'string', errors: true, validate: holdsJson });

/** @param data a string; anything else is not asked about */
function holdsJson(_mediaType: unknown, data: string): boolean {
  // Half of a surrogate pair has no UTF-8: it would arrive as something else than was given.
  if (!data.isWellFormed()) return objectTo('is not well-formed Unicode: it has a lone surrogate.');
  if (isTooDeep(data)) return objectTo(`holds JSON that is nested deeper than ${JSON_DEPTH_MAX} levels.`);
  try {
    JSON.parse(data);
    return true;
  } catch {
    return objectTo('is a string that does not hold JSON. To send text, quote it once more as JSON.');
  }
}
/** Where Ajv looks for why it did not: after a `false`, which always sets it. */
holdsJson.errors = [] as Partial<ErrorObject>[];

function objectTo(message: string): false {
  holdsJson.errors = [{ keyword: 'contentMediaType', message, params: {} }];
  return false;
}

type WordedSchema = Pick<JsonSchema, 'title' | 'description' | 'properties' | 'enum' | 'type'>;

function inWords(error: ErrorObject, { whole = 'The request', member = 'field' }: Names): string {
  const { keyword, instancePath, params, parentSchema, message } = error;
  const subject = instancePath === '' ? whole : `"${instancePath.slice(1)}"`;
  const schema = (parentSchema ?? {}) as WordedSchema;
  switch (keyword) {
    case 'contentMediaType':
      return `${subject} ${message}`;
    case 'required':
      return missing(params.missingProperty, schema);
    case 'additionalProperties':
      return unknownMember(params.additionalProperty, member, schema);
    case 'enum':
      return `${subject} is one of ${schema.enum?.map((value) => JSON.stringify(value)).join(', ')}.`;
    default:
      return schema.type === 'boolean'
        ? `${subject} is neither true nor false.`
        : `${subject} is no ${schema.title}.`;
  }
}

function missing(name: string, { properties }: WordedSchema): string {
  const about = properties?.[name] as WordedSchema | undefined;
  return `"${name}" is missing: ${firstSentence(about?.description)}`;
}

function unknownMember(name: string, member: string, { properties = {} }: WordedSchema): string {
  const known = Object.keys(properties).join(', ') || 'none';
  return `${JSON.stringify(name.slice(0, 80))} is no ${member} of this request; it takes ${known}.`;
}

/** As what follows a colon. */
function firstSentence(text = ''): string {
  const sentence = /^.*?[.;](?=\s|$)/s.exec(text)?.[0] ?? text;
  return `${sentence.charAt(0).toLowerCase()}${sentence.slice(1).replace(/;$/, '.')}`;
}
