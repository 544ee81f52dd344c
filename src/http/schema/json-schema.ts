/** As much of JSON Schema 2020-12 as we write. The API page shows these very objects, and requests are judged by them. */
export interface JsonSchema {
  /** What a value is, as the end of a sentence that begins `"field" is no …`. */
  readonly title?: string;
  /** Sentences for the API page; the first is also what an app is told that left the field out. */
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly default?: unknown;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: JsonSchema | JsonSchemaReference;
  readonly properties?: Readonly<Record<string, JsonSchema | JsonSchemaReference>>;
  readonly required?: readonly string[];
  readonly maxProperties?: number;
  readonly additionalProperties?: false;
  readonly anyOf?: readonly (JsonSchema | JsonSchemaReference)[];
  /** Of a string that holds a document of its own. */
  readonly contentMediaType?: 'application/json';
  readonly examples?: readonly unknown[];
}

export interface JsonSchemaReference {
  readonly $ref: string;
}
