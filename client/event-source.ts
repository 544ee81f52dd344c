/** One message of a stream of server-sent events. */
export interface ServerEvent {
  /** Of the last `id` that came, with this message or before it. */
  id: string;
  /** `message` when the stream does not say. */
  name: string;
  data: string;
}

/** A message is an export with its attempts, or a rule: much longer ones are no service's. */
const LINE_LENGTH_MAX = 4_000_000;

/**
 * Takes a stream of server-sent events apart (HTML, section 9.2.6), however it is cut into pieces. `lastId` is where to go
 * on from: that of the last whole message, also of one that has an id and nothing else.
 */
export class EventParser {
  lastId: string;
  #rest = '';
  /** Of the message that is coming: a cut in the middle of it must not pass it over. */
  #id: string;
  #name = '';
  #data: string[] = [];

  constructor(lastId = '') {
    this.lastId = lastId;
    this.#id = lastId;
  }

  /**
   * The messages that are complete with this piece.
   *
   * @throws RangeError when a line does not end
   */
  push(piece: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    // A carriage return at the end may be half of a line break.
    const text = this.#rest + piece;
    const whole = text.endsWith('\r') ? text.length - 1 : text.length;
    const lines = text.slice(0, whole).split(/\r\n|\r|\n/);
    this.#rest = (lines.pop() ?? '') + text.slice(whole);
    if (this.#rest.length > LINE_LENGTH_MAX) throw new RangeError('A line of the events does not end.');
    for (const line of lines) {
      const event = this.#takeLine(line);
      if (event !== null) events.push(event);
    }
    return events;
  }

  #takeLine(line: string): ServerEvent | null {
    if (line === '') return this.#takeMessage();
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id') this.#id = value;
    else if (field === 'event') this.#name = value;
    else if (field === 'data') this.#data.push(value);
    return null;
  }

  #takeMessage(): ServerEvent | null {
    this.lastId = this.#id;
    const [name, data] = [this.#name || 'message', this.#data];
    this.#name = '';
    this.#data = [];
    return data.length === 0 ? null : { id: this.lastId, name, data: data.join('\n') };
  }
}
