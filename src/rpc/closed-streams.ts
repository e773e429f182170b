// A short memory of how streams ended. Frames for a stream that is no longer open mean different things (RFC 9113
// §5.1): after our own reset they were on their way and are ignored; after the peer's END_STREAM or reset they are
// errors. A stream that has left this memory is treated as ended.

const SLOTS = 256;

export const CLOSED_UNKNOWN = 0;
/** Both sides ended it. */
export const CLOSED_ENDED = 1;
/** The peer reset it. */
export const CLOSED_BY_PEER = 2;
/** We reset it: what still arrives for it was sent before the peer knew. */
export const CLOSED_BY_US = 3;

export class ClosedStreams {
  private readonly ids = new Int32Array(SLOTS);
  private readonly how = new Uint8Array(SLOTS);
  private next = 0;

  note(streamId: number, how: number): void {
    this.ids[this.next] = streamId;
    this.how[this.next] = how;
    this.next = (this.next + 1) & (SLOTS - 1);
  }

  recall(streamId: number): number {
    const slot = this.ids.indexOf(streamId);
    return slot < 0 ? CLOSED_UNKNOWN : this.how[slot];
  }
}
