// Runs the scenario files in testdata against a lessor.

import { printable, utf8 } from "#base";
import { type CommandTable, runCommand, testScenarios } from "#testing";
import { Lessor, leaseIdOf, ttlSecondsMin } from "./index.js";
import { MemoryLeases } from "./testkit.js";

class Session {
  private readonly backend = new MemoryLeases();
  private lessor = this.create(false, false);
  private nowMs = 0;
  private readonly commands: CommandTable = {
    lessor: (args) => this.configure(args),
    grant: ([id, ttl]) => this.grant(BigInt(id), Number(ttl)),
    "grant-many": ([count, ttl]) => this.grantMany(Number(count), Number(ttl)),
    revoke: ([id]) => this.lessor.revoke(BigInt(id))?.map(printable).join(" ") ?? "unknown",
    attach: ([id, ...keys]) => this.each(keys, (key) => this.lessor.attach(BigInt(id), key)),
    detach: ([id, ...keys]) => this.each(keys, (key) => this.lessor.detach(BigInt(id), key)),
    renew: ([id]) => this.renew(BigInt(id)),
    ttl: ([id]) => this.ttl(BigInt(id)),
    list: () => this.lessor.list().join(" "),
    promote: ([extend]) => this.promote(Number(extend ?? 0)),
    demote: () => this.demote(),
    checkpoint: ([id, left]) => `${this.lessor.checkpoint(BigInt(id), Number(left), this.nowMs)}`,
    advance: ([ms]) => this.advance(Number(ms)),
    expired: ([limit]) => this.expired(limit === undefined ? undefined : Number(limit)),
    "expired-count": () => `${this.lessor.expired(this.nowMs).length}`,
    checkpoints: () => this.checkpoints(),
    restart: () => this.restart(),
    refused: ([id]) => this.refused(BigInt(id)),
    describe: () => this.lessor.describe(this.nowMs),
    records: () => this.backend.dump(),
    "drain-rate": ([seconds]) => this.drainRate(Number(seconds)),
    next: () => `${this.lessor.nextExpiryMs - this.nowMs}`,
    "min-ttl": (args) => args.map((ms) => `${ms}ms: ${ttlSecondsMin(Number(ms))}s`).join("\n"),
    id: ([member, wall, counter]) => leaseIdOf(BigInt(member), Number(wall), Number(counter)).toString(16),
  };

  run(line: string): string {
    return runCommand(this.commands, line);
  }

  private create(checkpoints: boolean, stores: boolean): Lessor {
    return new Lessor(this.backend, {
      ttlMin: 2,
      revokeRetryMs: 7000,
      checkpoints,
      checkpointIntervalMs: 300_000,
      storesCheckpoints: () => stores,
    });
  }

  private configure(args: string[]): string {
    this.lessor = this.create(args.includes("checkpoints"), args.includes("store"));
    this.lessor.restore();
    return "";
  }

  private grant(id: bigint, ttl: number): string {
    const outcome = this.lessor.grant(id, ttl, this.nowMs);
    return outcome.ok ? `ttl=${outcome.ttl}` : outcome.error.message;
  }

  private grantMany(count: number, ttl: number): string {
    for (let id = 1; id <= count; id++) this.lessor.grant(BigInt(id), ttl, this.nowMs);
    return `${this.lessor.size} leases`;
  }

  private each(keys: string[], act: (key: Uint8Array) => void): string {
    for (const key of keys) act(utf8(key));
    return "";
  }

  private renew(id: bigint): string {
    const outcome = this.lessor.renew(id, this.nowMs);
    return typeof outcome === "string" ? outcome : `ttl=${outcome.ttl}`;
  }

  private ttl(id: bigint): string {
    const lease = this.lessor.lookup(id);
    if (lease === undefined) return "unknown";
    const keys = lease.sortedKeys().map(printable).join(" ");
    return `ttl=${this.lessor.timeToLive(lease, this.nowMs)} granted=${lease.ttl} keys=[${keys}]`;
  }

  private promote(extendMs: number): string {
    this.lessor.promote(this.nowMs, extendMs);
    return "";
  }

  private demote(): string {
    this.lessor.demote();
    return "";
  }

  private advance(ms: number): string {
    this.nowMs += ms;
    return "";
  }

  private expired(limit: number | undefined): string {
    const ids = this.lessor.expired(this.nowMs, limit);
    return ids.length === 0 ? "none" : ids.join(" ");
  }

  private refused(id: bigint): string {
    this.lessor.revocationRefused(id, this.nowMs);
    return "";
  }

  private checkpoints(): string {
    const due = this.lessor.dueCheckpoints(this.nowMs);
    if (due.length > 5) return `${due.length} checkpoints`;
    return due.length === 0 ? "none" : due.map((it) => `${it.id}:${it.remainingTtl}s`).join(" ");
  }

  private restart(): string {
    this.lessor.restore();
    return "";
  }

  /** Revokes at once whatever may be revoked, every 100 ms, and reports how many went per second. */
  private drainRate(seconds: number): string {
    const rates: number[] = [];
    for (let second = 0; second < seconds; second++) {
      let revoked = 0;
      for (let tick = 0; tick < 10; tick++) {
        this.nowMs += 100;
        for (
          let ids = this.lessor.expired(this.nowMs);
          ids.length > 0;
          ids = this.lessor.expired(this.nowMs)
        ) {
          for (const id of ids) this.lessor.revoke(id);
          revoked += ids.length;
        }
      }
      rates.push(revoked);
    }
    return rates.join(" ");
  }
}

testScenarios(`${import.meta.dirname}/testdata`, () => new Session());
