// A short memory of how streams ended. Frames for a stream that is no longer open mean different things (RFC 9113
// §5.1): after our own reset they were on their way and are ignored; after the peer's END_STREAM or reset they are
// errors. Of streams that ended well few are remembered; of resets more, as many as may come at once when a member
// ends all of its streams, but only once they do come.

export const CLOSED_UNKNOWN = 0;
/** Both sides ended it. */
export const CLOSED_ENDED = 1;
/** The peer reset it. */
export const CLOSED_BY_PEER = 2;
/** We reset it: what still arrives for it was sent before the peer knew. */
export const CLOSED_BY_US = 3;

const ENDED_SLOTS = 64;
const RESET_SLOTS = 64;
const RESET_SLOTS_MAX = 4_096;

/** The last stream ids of one kind, in a ring that doubles up to a limit. */
class RecentIds {
  private ids: Int32Array;
  private next = 0;
  private readonly slotsMax: number;

  constructor(slots: number, slotsMax: number) {
    this.ids = new Int32Array(slots);
    this.slotsMax = slotsMax;
  }

  add(id: number): void {
    if (this.next === this.ids.length) this.wrap();
    this.ids[this.next++] = id;
  }

  has(id: number): boolean {
    return this.ids.includes(id);
  }

  private wrap(): void {
    if (this.ids.length < this.slotsMax) {
      const grown = new Int32Array(this.ids.length * 2);
      grown.set(this.ids);
      this.ids = grown;
    } else this.next = 0;
  }
}

export class ClosedStreams {
  private readonly ended = new RecentIds(ENDED_SLOTS, ENDED_SLOTS);
  private byPeer: RecentIds | undefined = undefined;
  private byUs: RecentIds | undefined = undefined;

  note(streamId: number, how: number): void {
    if (how === CLOSED_ENDED) return this.ended.add(streamId);
    if (how === CLOSED_BY_PEER) {
      this.byPeer ??= new RecentIds(RESET_SLOTS, RESET_SLOTS_MAX);
      return this.byPeer.add(streamId);
    }
    this.byUs ??= new RecentIds(RESET_SLOTS, RESET_SLOTS_MAX);
    this.byUs.add(streamId);
  }

  recall(streamId: number): number {
    if (this.byUs?.has(streamId) === true) return CLOSED_BY_US;
    if (this.byPeer?.has(streamId) === true) return CLOSED_BY_PEER;
    return this.ended.has(streamId) ? CLOSED_ENDED : CLOSED_UNKNOWN;
  }
}
