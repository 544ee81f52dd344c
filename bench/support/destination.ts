import { BenchProcess } from './processes.ts';

/** Where exports go: a process of its own. */
export class DestinationProcess implements AsyncDisposable {
  readonly process: BenchProcess;
  readonly url: string;

  private constructor(process: BenchProcess, url: string) {
    this.process = process;
    this.url = url;
  }

  /** @param silent whether it takes requests and never answers */
  static async start(silent = false): Promise<DestinationProcess> {
    const module = new URL('./destination-process.ts', import.meta.url);
    const process = BenchProcess.fork('The destination', module, { silent });
    const { port } = await process.message<{ port: number }>();
    return new DestinationProcess(process, `http://127.0.0.1:${port}/in`);
  }

  /** How many exports have arrived. */
  async arrived(): Promise<number> {
    return (await this.process.ask<{ arrived: number }>({})).arrived;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process[Symbol.asyncDispose]();
  }
}
