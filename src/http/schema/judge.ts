import { Ajv2020 as Ajv, type ErrorObject } from 'ajv/dist/2020.js';
import { ExportError } from '../../export/errors.ts';
import type { JsonSchema } from './json-schema.ts';

/**
 * Compiles a schema to a function that refuses what does not match.
 *
 * @param name how messages call the value as a whole; fields are called by their names
 * @returns throws ExportError `invalid_request` for the first thing that is wrong; a message never shows a value
 */
export function judgeBy(schema: JsonSchema, name = 'The request'): (value: unknown) => void {
  const matches = ajv.compile(schema);
  return (value) => {
    if (matches(value)) return;
    const [error] = matches.errors ?? [];
    if (error === undefined) throw new TypeError('A value that does not match has an error.');
    throw new ExportError('invalid_request', inWords(error, name));
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

type WordedSchema = Pick<JsonSchema, 'title' | 'description' | 'properties'>;

function inWords(
  { keyword, instancePath, params, parentSchema, message }: ErrorObject,
  name: string,
): string {
  const field = instancePath === '' ? name : `"${instancePath.slice(1)}"`;
  const schema = (parentSchema ?? {}) as WordedSchema;
  if (keyword === 'contentMediaType') return `${field} ${message}`;
  if (keyword === 'required') {
    const missing = params.missingProperty as string;
    const about = schema.properties?.[missing] as WordedSchema | undefined;
    return `"${missing}" is missing: ${firstSentence(about?.description)}`;
  }
  return `${field} is no ${schema.title}.`;
}

/** As what follows a colon. */
function firstSentence(text = ''): string {
  const sentence = /^.*?[.;](?=\s|$)/s.exec(text)?.[0] ?? text;
  return `${sentence.charAt(0).toLowerCase()}${sentence.slice(1).replace(/;$/, '.')}`;
}
