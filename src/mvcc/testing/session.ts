// A store on a test backend, with leases and an ear for events, driven by lines of text. A crash loses everything since
// the last commit.

import { fromBinary } from "@bufbuild/protobuf";
import { type PlantedBugs, printable, utf8, WireWriter } from "#base";
import { type LeaseId, mvccpb, type RpcError } from "#proto";
import { type CommandTable, runCommand } from "#testing";
import { CompactionProgress } from "../compaction.js";
import { mvccBugs } from "../mutations.js";
import type { EventSink, Leases } from "../ports.js";
import { putCost, txnCost } from "../quota.js";
import type { RangeReader } from "../range.js";
import { type RangeStream, rangeStreamRefusal } from "../range-stream.js";
import { Store } from "../store.js";
import { checkDelete, checkPut, checkRange, checkTxn } from "../validate.js";
import type { EventBatch } from "../watch/events.js";
import { TestBackend } from "./memory-backend.js";
import {
  deleteText,
  kvText,
  parseDelete,
  parsePut,
  parseRange,
  parseTxn,
  putText,
  rangeText,
  txnText,
} from "./requests.js";

export class TestLeases implements Leases {
  readonly keys = new Map<LeaseId, Set<string>>();

  exists(id: LeaseId): boolean {
    return this.keys.has(id);
  }

  attach(id: LeaseId, key: Uint8Array): void {
    this.keys.get(id)?.add(printable(key));
  }

  detach(id: LeaseId, key: Uint8Array): void {
    this.keys.get(id)?.delete(printable(key));
  }
}

export class Session implements EventSink {
  readonly wantsEvents = true;
  backend = new TestBackend();
  committed = this.backend.clone();
  readonly leases = new TestLeases();
  store!: Store;
  private heard = "";
  private listening = false;
  private reader: RangeReader | undefined = undefined;
  private readonly readerOut = new WireWriter();
  private stream: RangeStream | undefined = undefined;
  private opsMax = 128;
  private readonly commands: CommandTable = {
    get: (args) => this.get(args),
    put: (args) => this.put(args),
    del: (args) => this.del(args),
    txn: (_, below) => this.txn(below),
    apply: (_, below) => this.applyElsewhere(below),
    cost: ([what, ...args], below) =>
      `${what === "put" ? putCost(parsePut(args)) : txnCost(parseTxn(below))}\n`,
    check: ([what, ...args], below) => this.check(what, args, below),
    ops: ([max]) => this.limitOps(Number(max)),
    lease: ([id]) => this.grant(BigInt(id)),
    revoke: ([id]) => this.revoke(BigInt(id)),
    leases: () => this.leasesText(),
    compact: ([revision]) => resultText(this.store.compact(Number(revision))) || "scheduled\n",
    step: ([budget]) => `${progressText(this.store.compactionStep(Number(budget ?? 1000)))}\n`,
    finish: () => this.finish(),
    commit: () => this.commit(),
    crash: () => this.crash(),
    install: () => this.install(),
    hash: ([revision]) => this.hash(Number(revision ?? 0)),
    hashes: () => this.hashes(),
    log: () => this.log(),
    keys: () => `${this.store.keyCount}\n`,
    status: () => this.status(),
    history: ([from]) => this.history(Number(from)),
    previous: ([key, before]) => this.previous(utf8(key), Number(before)),
    listen: () => this.listen(),
    read: (args) => this.openRead(args),
    next: ([keys]) => this.nextRead(Number(keys)),
    stream: (args) => this.openStream(args),
    message: () => this.nextMessage(),
    mutate: ([name, on]) => this.mutate(name, on !== "off"),
  };

  constructor() {
    this.start();
  }

  run(line: string, below: string[]): string {
    const output = runCommand(this.commands, line, below);
    const heard = this.heard;
    this.heard = "";
    return output + heard;
  }

  onEvents(batch: EventBatch): void {
    if (!this.listening) return;
    for (const event of batch.events) {
      const what = event.type === 0 ? "put" : "delete";
      this.heard += `event ${batch.revision} ${what} ${printable(event.key)}\n`;
    }
  }

  private start(): void {
    this.store = new Store(this.backend, { leases: this.leases, events: this });
    this.store.restore();
  }

  private get(args: string[]): string {
    const req = parseRange(args);
    const out = new WireWriter();
    const error = checkRange(req) ?? this.store.range(req, out);
    return resultText(error) || `rev ${this.store.currentRevision}\n${rangeText(out.view())}`;
  }

  private put(args: string[]): string {
    const req = parsePut(args);
    const refused = checkPut(req);
    if (refused !== undefined) return resultText(refused);
    const out = new WireWriter();
    const { error, revision } = this.store.applyPut(req, out);
    return resultText(error) || `rev ${revision}\n${putText(out.view())}`;
  }

  private del(args: string[]): string {
    const req = parseDelete(args);
    const refused = checkDelete(req);
    if (refused !== undefined) return resultText(refused);
    const out = new WireWriter();
    const { revision } = this.store.applyDeleteRange(req, out);
    return `rev ${revision}\n${deleteText(out.view())}`;
  }

  private txn(below: string[]): string {
    const req = parseTxn(below);
    const refused = checkTxn(req, this.opsMax);
    if (refused !== undefined) return resultText(refused);
    const out = new WireWriter();
    const { error, revision } = this.store.applyTxn(req, out);
    return resultText(error) || `rev ${revision}\n${txnText(out.view())}`;
  }

  /** A transaction as a member applies it whose client is elsewhere. */
  private applyElsewhere(below: string[]): string {
    const { error, revision } = this.store.applyTxn(parseTxn(below), undefined);
    return resultText(error) || `rev ${revision}\n`;
  }

  private check(what: string, args: string[], below: string[]): string {
    if (what === "txn") return resultText(checkTxn(parseTxn(below), this.opsMax)) || "ok\n";
    if (what === "stream") return `${rangeStreamRefusal(parseRange(args)) ?? "ok"}\n`;
    const req = parseRange(args);
    return resultText(checkRange(req)) || "ok\n";
  }

  private limitOps(max: number): string {
    this.opsMax = max;
    return "";
  }

  private grant(id: LeaseId): string {
    this.leases.keys.set(id, new Set());
    return "";
  }

  private revoke(id: LeaseId): string {
    const keys = [...(this.leases.keys.get(id) ?? [])].sort().map(utf8);
    const { revision, deleted } = this.store.applyDeleteKeys(keys);
    this.leases.keys.delete(id);
    return `rev ${revision}\ndeleted ${deleted}\n`;
  }

  private leasesText(): string {
    return [...this.leases.keys].map(([id, keys]) => `${id}: ${[...keys].sort().join(" ")}\n`).join("");
  }

  /** Does all the compaction work there is. */
  finish(): string {
    for (;;) {
      const progress = this.store.compactionStep(3);
      if (progress === CompactionProgress.Idle) return "";
      if (progress === CompactionProgress.Waiting) return "waiting\n";
    }
  }

  private commit(): string {
    this.committed = this.backend.clone();
    return "";
  }

  private crash(): string {
    this.backend = this.committed.clone();
    for (const keys of this.leases.keys.values()) keys.clear();
    this.start();
    return this.status();
  }

  /** A snapshot arrives: the last committed state, in the place of this one. */
  private install(): string {
    this.backend = this.committed.clone();
    this.store.restore(this.backend);
    return this.status();
  }

  private status(): string {
    const { currentRevision, compactedRevision, finishedCompactRevision } = this.store;
    return `current ${currentRevision} compacted ${compactedRevision} finished ${finishedCompactRevision}\n`;
  }

  private hash(revision: number): string {
    const reader = this.store.hashKv(revision);
    while (!reader.step(2));
    if (reader.error !== undefined) return resultText(reader.error);
    const { result } = reader;
    return `hash ${result?.hash} revision ${result?.revision} compacted ${result?.compactRevision}\n`;
  }

  private hashes(): string {
    return this.store
      .compactionHashes()
      .map(
        ({ hash, revision, compactRevision }) =>
          `hash ${hash} revision ${revision} compacted ${compactRevision}\n`,
      )
      .join("");
  }

  private log(): string {
    const rows = this.backend.rows.map(({ main, sub, tombstone, value }) => {
      const kv = fromBinary(mvccpb.KeyValueSchema, value);
      return `${main}.${sub} ${tombstone ? `delete ${printable(kv.key)}` : kvText(kv)}\n`;
    });
    return rows.join("") || "empty\n";
  }

  private history(from: number): string {
    let text = "";
    this.store.readEventsFrom(from, (main, sub, tombstone, value) => {
      text += `${main}.${sub} ${tombstone ? "delete" : "put"} ${printable(fromBinary(mvccpb.KeyValueSchema, value).key)}\n`;
      return true;
    });
    return text;
  }

  private previous(key: Uint8Array, before: number): string {
    const kv = this.store.previousKv(key, before);
    return kv === undefined ? "none\n" : `${kvText(fromBinary(mvccpb.KeyValueSchema, kv))}\n`;
  }

  private listen(): string {
    this.listening = true;
    return "";
  }

  private openRead(args: string[]): string {
    this.reader?.close();
    this.readerOut.reset();
    this.reader = this.store.openRange(parseRange(args), this.readerOut);
    return resultText(this.reader.error);
  }

  private nextRead(keys: number): string {
    const { reader } = this;
    if (reader === undefined) return "no read\n";
    if (!reader.step(keys, 1 << 20)) return "paused\n";
    return resultText(reader.error) || rangeText(this.readerOut.view());
  }

  private openStream(args: string[]): string {
    const chunk = args.find((arg) => arg.startsWith("bytes="))?.slice(6);
    const rest = args.filter((arg) => !arg.startsWith("bytes="));
    this.stream = this.store.openRangeStream(parseRange(rest), Number(chunk ?? 1 << 20));
    return "";
  }

  private nextMessage(): string {
    const { stream } = this;
    if (stream === undefined || stream.done) return "no message\n";
    const out = new WireWriter();
    const error = stream.next(out);
    if (error !== undefined) return resultText(error);
    return `${rangeText(out.view())}${stream.done ? `done at ${stream.headerRevision}\n` : ""}`;
  }

  private mutate(name: string, on: boolean): string {
    const scope = globalThis as { ETCD_TS_SIMULATION?: boolean };
    scope.ETCD_TS_SIMULATION = true;
    (mvccBugs as PlantedBugs<string>).plant(name, on);
    delete scope.ETCD_TS_SIMULATION;
    return "";
  }
}

function resultText(error: RpcError | undefined): string {
  return error === undefined ? "" : `error: ${error.message}\n`;
}

function progressText(progress: CompactionProgress): string {
  return ["idle", "more", "waiting", "finished"][progress];
}
