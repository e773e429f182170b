// Standard input, whole or line by line. Nothing is read before it is asked for.

export class LineReader {
  private readonly input: AsyncIterator<Uint8Array>;
  private buffered: Buffer = Buffer.alloc(0);
  private ended = false;

  constructor(input: AsyncIterable<Uint8Array>) {
    this.input = input[Symbol.asyncIterator]();
  }

  /** The next line without its end; undefined at the end of the input, where an unfinished line is dropped. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const at = this.buffered.indexOf(0x0a);
      if (at >= 0) {
        const line = this.buffered.toString("utf8", 0, at);
        this.buffered = this.buffered.subarray(at + 1);
        return line;
      }
      if (!(await this.more())) return undefined;
    }
  }

  /** Everything that is left. */
  async rest(): Promise<Uint8Array> {
    while (await this.more());
    return this.buffered;
  }

  private async more(): Promise<boolean> {
    if (this.ended) return false;
    const { done, value } = await this.input.next();
    if (done === true) {
      this.ended = true;
      return false;
    }
    this.buffered = Buffer.concat([this.buffered, value]);
    return true;
  }
}
