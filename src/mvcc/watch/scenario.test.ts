// Runs the scenario files in testdata against a watch hub.

import { SeededRandom, utf8 } from "#base";
import { type CommandTable, runCommand, testScenarios } from "#testing";
import { WatchHub, type WatchStream } from "./index.js";
import { type Change, ModelStore, pullResponse, responseText } from "./testkit.js";

class Session {
  private readonly store = new ModelStore();
  private hub!: WatchHub;
  private readonly streams = new Map<string, WatchStream>();
  private readonly ready: string[] = [];
  private inTurn = false;
  private readonly commands: CommandTable = {
    hub: (args) => this.start(args),
    stream: ([name]) => this.open(name),
    watch: (args) => this.watch(args),
    cancel: ([name, id]) => `${this.stream(name).cancel(BigInt(id))}`,
    progress: ([name]) => `${this.stream(name).requestProgress()}`,
    close: ([name]) => this.close(name),
    put: (args) => this.apply([`put ${args.join(" ")}`]),
    del: (args) => this.apply([`del ${args.join(" ")}`]),
    turn: (_, below) => this.turn(below),
    txn: (args) => this.apply(args.join(" ").split(";")),
    snapshot: (args) => this.snapshot(args.join(" ").split(";")),
    compact: ([revision]) => this.compact(Number(revision)),
    sync: ([records]) => `more=${this.hub.syncStep(records === undefined ? undefined : Number(records))}`,
    tick: ([now]) => this.tick(Number(now)),
    pull: ([name, count]) => this.pull(name, count === undefined ? 1000 : Number(count)),
    ready: () => this.ready.splice(0).join(" "),
    describe: () => this.hub.describe(),
  };

  constructor() {
    this.start([]);
  }

  run(line: string, below: string[] = []): string {
    return runCommand(this.commands, line, below);
  }

  private start(args: string[]): string {
    const option = (name: string, otherwise: number) => {
      const found = args.find((arg) => arg.startsWith(`${name}=`));
      return found === undefined ? otherwise : Number(found.slice(name.length + 1));
    };
    this.hub = new WatchHub(this.store, {
      random: new SeededRandom(1),
      onReady: (stream) => this.ready.push(String(stream.context)),
      fragmentBytes: option("fragment", 1 << 21),
      progressIntervalMs: option("interval", 600_000),
      queueResponsesMax: option("queue", 1000),
      responseBytesMax: option("response", 1 << 18),
    });
    return "";
  }

  private stream(name: string): WatchStream {
    const stream = this.streams.get(name);
    if (stream === undefined) throw new Error(`no stream ${name}`);
    return stream;
  }

  private open(name: string): string {
    const stream = this.hub.createStream(0);
    stream.context = name;
    this.streams.set(name, stream);
    return "";
  }

  private close(name: string): string {
    this.stream(name).close();
    this.streams.delete(name);
    return "";
  }

  private watch([name, key, ...rest]: string[]): string {
    const value = (prefix: string) => rest.find((arg) => arg.startsWith(prefix))?.slice(prefix.length);
    const bytes = (text: string) => utf8(text.replace(/\\0/g, "\0").replace(/^''$/, ""));
    const watcher = this.stream(name).create({
      key: bytes(key),
      rangeEnd: bytes(value("end=") ?? "''"),
      startRevision: Number(value("start=") ?? 0),
      watchId: BigInt(value("id=") ?? 0),
      noPut: rest.includes("noput"),
      noDelete: rest.includes("nodelete"),
      prevKv: rest.includes("prev"),
      progressNotify: rest.includes("notify"),
      fragment: rest.includes("fragment"),
    });
    return watcher === undefined ? "none" : watcher.describe();
  }

  private changes(parts: string[]): Change[] {
    return parts.map((part) => {
      const [verb, key, value] = part.trim().split(/\s+/);
      if (verb === "del") return { key, value: undefined };
      const repeated = /^(\d+)x$/.exec(value);
      return { key, value: repeated === null ? value : "v".repeat(Number(repeated[1])) };
    });
  }

  private apply(parts: string[]): string {
    const batch = this.store.apply(this.changes(parts));
    if (batch === undefined) return "nothing changed";
    this.hub.onEvents(batch);
    if (!this.inTurn) this.hub.flush();
    return `revision ${batch.revision}`;
  }

  /** Indented commands, which share a turn. */
  private turn(below: string[]): string {
    this.inTurn = true;
    const lines = below.map((line) => this.run(line));
    this.inTurn = false;
    this.hub.flush();
    return lines.filter((line) => line !== "").join("\n");
  }

  /** Revisions that reach the store without a notification, as a snapshot brings them. */
  private snapshot(parts: string[]): string {
    for (const part of parts) {
      if (part.startsWith("compact ")) this.store.compact(Number(part.slice(8)));
      else this.store.apply(this.changes([part]));
    }
    this.hub.requeueAll();
    return `revision ${this.store.currentRevision}`;
  }

  private compact(revision: number): string {
    this.store.compact(revision);
    this.hub.compacted();
    return "";
  }

  private tick(now: number): string {
    this.hub.tick(now);
    return "";
  }

  private pull(name: string, count: number): string {
    const lines: string[] = [];
    while (lines.length < count) {
      const response = pullResponse(this.stream(name));
      if (response === undefined) break;
      lines.push(responseText(response));
    }
    return lines.length === 0 ? "nothing" : lines.join("\n");
  }
}

testScenarios(`${import.meta.dirname}/testdata`, () => new Session());
