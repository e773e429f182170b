// When a member serves: it takes part (a read was confirmed, however long the first election takes), its log is applied, and
// the cluster knows of it.

import { ErrStopped, type RpcError } from "#proto";
import { ReadWaiter } from "./reads.js";

export class Readiness extends ReadWaiter {
  private readonly read: (waiter: ReadWaiter) => void;
  private readonly publish: () => void;
  private resolve: () => void = () => {};
  private reject: (error: Error) => void = () => {};

  /**
   * @param read asks for a linearizable read
   * @param publish tells the cluster of this member; `onPublished` is to be called then
   */
  constructor(read: (waiter: ReadWaiter) => void, publish: () => void) {
    super();
    this.read = read;
    this.publish = publish;
  }

  /** To be called once, before or after `stop`. */
  wait(isStopped: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      if (isStopped) this.stop();
      else this.read(this);
    });
  }

  onReady(): void {
    this.publish();
  }

  onFailed(error: RpcError): void {
    // A stopped member tells by itself that it never became ready.
    if (error !== ErrStopped) this.read(this);
  }

  onPublished(): void {
    this.resolve();
  }

  /** Without effect if the member has become ready before. */
  stop(): void {
    this.reject(new Error(ErrStopped.message));
  }
}
