// Our own pings (gRPC keepalive): when nothing has come in for the interval, a PING; when nothing comes in for the
// timeout after that, the connection is dead. Measured by the sweep, so to the second.

import type { Http2Connection } from "./connection.js";
import { sweeps } from "./connection-group.js";
import { writePing } from "./frame-writer.js";

const PAYLOAD = Buffer.from("keepaliv", "latin1");

export class Keepalive {
  private readonly intervalSweeps: number;
  private readonly timeoutSweeps: number;
  private readonly withoutStream: boolean;
  /** The second in which the unanswered PING was sent, or -1. */
  private pingedAt = -1;

  /** @param intervalMs, timeoutMs either 0 turns keepalive off
   *  @param withoutStream whether to ping while no stream is open */
  constructor(intervalMs: number, timeoutMs: number, withoutStream: boolean) {
    const on = intervalMs > 0 && timeoutMs > 0;
    this.intervalSweeps = on ? Math.max(1, sweeps(intervalMs)) : Number.POSITIVE_INFINITY;
    this.timeoutSweeps = Math.max(1, sweeps(timeoutMs));
    this.withoutStream = withoutStream;
  }

  onAck(): void {
    this.pingedAt = -1;
  }

  /** Called once a second; false when the connection was found dead and has been cut. */
  sweep(connection: Http2Connection, second: number, receivedAt: number): boolean {
    if (this.pingedAt >= 0) {
      if (receivedAt > this.pingedAt) this.pingedAt = -1;
      else if (second - this.pingedAt >= this.timeoutSweeps) {
        connection.cut("keepalive-timeout", "a keepalive PING was not answered");
        return false;
      }
      return true;
    }
    if (second - receivedAt < this.intervalSweeps) return true;
    if (!this.withoutStream && connection.openStreams === 0) return true;
    this.pingedAt = second;
    writePing(connection.out, false, PAYLOAD, 0);
    connection.touch();
    return true;
  }
}
