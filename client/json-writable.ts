import type { JsonValue } from './wire.ts';

/**
 * `T` where JSON can hold it, and `never` where `JSON.stringify` would lose something or throw: an awaited-for promise,
 * a map or a set (both become `{}`), bytes (they go in `json`), a function, a class, a bigint. An object's optional members may
 * be left out; whatever has `toJSON`, such as a `Date`, is written as that says.
 */
export type JsonWritable<T> = 0 extends 1 & T
  ? T // `any`, such as what JSON.parse returns: nothing can be said.
  : T extends JsonValue
    ? T
    : T extends Unwritable
      ? never
      : T extends { toJSON(): unknown }
        ? T
        : T extends object
          ? { [Key in keyof T]: JsonWritable<Exclude<T[Key], undefined>> | Extract<T[Key], undefined> }
          : never;

type Unwritable =
  | bigint
  | symbol
  | undefined
  | ((...args: never) => unknown)
  | (abstract new (
      ...args: never
    ) => unknown)
  | PromiseLike<unknown>
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | WeakMap<WeakKey, unknown>
  | WeakSet<WeakKey>
  | ArrayBuffer
  | ArrayBufferView
  | RegExp
  | Error;
