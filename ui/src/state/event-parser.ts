/** One event of a stream (HTML, section 9.2.6). */
export interface StreamEvent {
  readonly name: string;
  readonly data: string;
}

/**
 * Reads server-sent events as they come in, in pieces of any size. It is not `EventSource` because that tells nothing of a
 * stream that is silent, nor with which status it was refused: after a laptop's sleep a dead connection looks alive.
 */
export class EventParser {
  #rest = '';
  #name = '';
  #data: string[] = [];
  #lastId = '';

  /** Of the last event that was complete; empty before the first. What the next connection begins with. */
  lastEventId = '';

  /** @returns the events that this piece completed */
  push(piece: string): StreamEvent[] {
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.flatMap((line) => this.#line(line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  #line(line: string): StreamEvent[] {
    if (line === '') return this.#end();
    const [, field = '', value = ''] = /^([^:]*)(?::\s?(.*))?$/.exec(line) ?? [];
    if (field === 'event') this.#name = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#lastId = value;
    return [];
  }

  #end(): StreamEvent[] {
    this.lastEventId = this.#lastId;
    const [name, data] = [this.#name || 'message', this.#data];
    this.#name = '';
    this.#data = [];
    return data.length === 0 ? [] : [{ name, data: data.join('\n') }];
  }
}
