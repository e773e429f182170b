// Database images between members. A follower that is too far behind for the log gets the whole database: raft's message
// says at which index, the image says what. The message that raft made names its last snapshot; what is sent is newer,
// the state applied by now, so index, term and configuration are replaced by those of the image.
//
// A member that receives one writes the image beside its place first; only then does raft hear of it, and only when raft
// accepts it does the image replace the backend (RaftSnapshots.install).

import type { Disk, Logger } from "#base";
import { type MemberId, type RaftMessage, Snapshot } from "#proto";
import type { BackendView, Snapshotter } from "#storage";
import type { Member } from "./member.js";

/** An image on its way out. `close` must be called, sent or not. */
export interface OutgoingSnapshot {
  readonly message: RaftMessage;
  readonly size: number;
  readonly chunks: AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Carries images to other members; whoever implements it reports the outcome through `Member.onSnapshotSent`. */
export interface SnapshotSender {
  sendSnapshot(snapshot: OutgoingSnapshot): void;
}

/** This member's side of the exchange. */
export class SnapshotExchange {
  private readonly member: Member;
  private readonly sender: SnapshotSender;
  private readonly receiver: SnapshotReceiver;

  constructor(member: Member, sender: SnapshotSender, receiver: SnapshotReceiver) {
    this.member = member;
    this.sender = sender;
    this.receiver = receiver;
  }

  /** Hands the message with an image of this moment to the sender. */
  send(message: RaftMessage): void {
    prepareSnapshot(this.member, message).then(
      (snapshot) => this.sender.sendSnapshot(snapshot),
      (error: unknown) => {
        this.member.logger.warn("failed to prepare a database snapshot", { to: message.to, error });
        this.onSent(message.to, false);
      },
    );
  }

  /** What became of an image: raft goes on sending entries, or tries again. */
  onSent(to: MemberId, delivered: boolean): void {
    if (this.member.isStopped) return;
    const { driver } = this.member;
    driver.node.reportSnapshot(to, delivered);
    driver.schedule();
  }

  /** Takes in a Snap message with its image; raft hears of it once the image is on disk. */
  async receive(message: RaftMessage, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    await this.receiver.save(message.snapshot?.index ?? 0, chunks);
    this.member.driver.receive(message);
  }
}

/** The image that goes with a Snap message of this moment. */
async function prepareSnapshot(member: Member, message: RaftMessage): Promise<OutgoingSnapshot> {
  // Index, term and configuration are read before anything else can be applied; the view is taken in the same turn.
  const { appliedIndex } = member;
  const term = member.appliedEntryTerm;
  const { confState, data } = member.cluster.snapshotState();
  const view: BackendView = await member.backend.openView();
  const image = await view.exportImage();
  message.snapshot = new Snapshot(appliedIndex, term, confState, data);
  return { message, size: image.size, chunks: image.chunks, close: () => view.close() };
}

/** Keeps images that arrive until raft asks for them. */
export class SnapshotReceiver {
  private readonly disk: Disk;
  private readonly snapshotter: Snapshotter;
  private readonly logger: Logger;
  private images = 0;

  constructor(disk: Disk, snapshotter: Snapshotter, logger: Logger) {
    this.disk = disk;
    this.snapshotter = snapshotter;
    this.logger = logger;
  }

  /** Writes the image for the snapshot at `index` durably under its name. A second image of the same index, which may
   *  arrive at the same time, takes the place of the first. */
  async save(index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const temporary = this.snapshotter.temporaryDatabasePath(index, this.images++);
    let bytes: number;
    try {
      bytes = await this.write(temporary, chunks);
      await this.disk.rename(temporary, this.snapshotter.databasePath(index));
    } catch (error) {
      await this.discard(temporary);
      throw error;
    }
    await this.disk.syncDirectory(this.snapshotter.directory);
    this.logger.info("saved database snapshot to disk", { "snapshot-index": index, bytes });
  }

  private async write(path: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    const file = await this.disk.open(path, "w+");
    let at = 0;
    try {
      for await (const chunk of chunks) {
        await file.write(at, chunk);
        at += chunk.length;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    return at;
  }

  private async discard(path: string): Promise<void> {
    try {
      await this.disk.remove(path);
    } catch (error) {
      this.logger.warn("failed to remove an unfinished database snapshot", { path, error: String(error) });
    }
  }
}
