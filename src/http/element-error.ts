import { ExportError } from '../export/errors.ts';

/**
 * One stage of judgement over all elements of a request, in order: the first that fails is the answer. In a batch its
 * index is in the detail, also in a batch of one.
 */
export function judgeEach<T, R>(
  elements: readonly T[],
  isBatch: boolean,
  judge: (element: T, index: number) => R,
): R[] {
  return elements.map((element, index) => {
    try {
      return judge(element, index);
    } catch (error) {
      throw isBatch ? atElement(error, index) : error;
    }
  });
}

/** The same refusal, with the element it is about in its detail. */
export function atElement(error: unknown, index: number | undefined = elementOf(error)): unknown {
  if (!(error instanceof ExportError) || index === undefined) return error;
  const { code, message, retryAfterSeconds } = error;
  return new ExportError(code, `${message} (element ${index})`, {
    retryAfterSeconds,
    element: index,
    cause: error,
  });
}

function elementOf(error: unknown): number | undefined {
  return error instanceof ExportError ? error.element : undefined;
}
