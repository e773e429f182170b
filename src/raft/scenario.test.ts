// Scenarios: small clusters driven command by command, with every message and every Ready printed and compared with the
// text beside the command (testdata/*.txt). After a REWRITE=1 the diff is to be read against the paper.
//
//   cluster voters=1,2,3 [learners=4] [prevote] [checkquorum] [async] [lease] [stepdown] [noforward] [novalidation]
//           [inflight=N] [inflight-bytes=N] [message-bytes=N] [uncommitted=N] [applying=N]    all members, empty logs
//   member 1 [terms=1,1,2] [term=T] [vote=V] [commit=C] [voters=..] [learners=..] [empty]  (re)creates one with that log
//   campaign 1 | tick 1 [N] | propose 1 a b | change 1 v4 l5 r2 [implicit|explicit] [v1] | leave 1
//   read 1 ctx | transfer 1 2 | forget 2 | unreachable 1 2 | snapshot-status 1 2 ok|failed
//   timeout 2 N          its election timeouts are N ticks over the minimum from the next draw on
//   ready 1              one Ready: send, persist, apply, advance
//   deliver 2 [from=1] [type=App] [last|reverse]    messages waiting for 2 | drop likewise | duplicate likewise
//   send <from> <to> <Type> [field=value...] [terms=1,1]    a message out of thin air | network    what is waiting
//   settle [1 2 3]       ready and deliver until nothing is left | quiet [1 2 3]  the same, printing the end state only
//   thread 1 append|apply [N]   asynchronous storage: the thread does N pieces of work
//   compact 1 INDEX [keep=K]    snapshot at INDEX; keeps K entries before it | crash 1 | restart 1
//   status [1] | log 1 | progress 1 | applied 1 | config 1

import { Panic, type Random, utf8, utf8Text } from "#base";
import {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  type ConfChangeType,
  ConfChangeV2,
  ConfState,
  Entry,
  EntryType,
  HardState,
  type MemberId,
  MessageType,
  RaftMessage,
  Snapshot,
} from "#proto";
import { type ScenarioSession, testScenarios } from "#testing";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  confChangeOf,
  describeEntries,
  describeMessage,
  MemoryLogStorage,
  type RaftConfig,
  RawNode,
  ReadOnlyMode,
  STEP_RESULT_TEXTS,
  type StepResult,
} from "./index.js";

class Member {
  readonly storage = new MemoryLogStorage();
  readonly appended: RaftMessage[] = [];
  readonly applies: RaftMessage[] = [];
  applied: string[] = [];
  appliedIndex = 0;
  confState = new ConfState();
  isDown = false;
  extraTicks: number;
  node!: RawNode;

  constructor(readonly id: MemberId) {
    this.extraTicks = Number(id) - 1;
  }

  start(options: Partial<RaftConfig>): void {
    const random: Random = { uint32: () => 0, float: () => 0, below: () => this.extraTicks };
    this.node = new RawNode({
      id: this.id,
      storage: this.storage,
      random,
      applied: this.appliedIndex,
      ...options,
    });
    this.confState = this.node.confState();
    this.isDown = false;
  }

  /** What a crash leaves: storage and the applied state (a state machine that is durable). */
  restart(options: Partial<RaftConfig>): void {
    this.appended.length = 0;
    this.applies.length = 0;
    const applied = this.storage.initialState().hardState.commit;
    this.appliedIndex = Math.min(this.appliedIndex, applied);
    this.storage.setConfState(this.confState);
    this.start(options);
  }

  persist(entries: readonly Entry[], hardState: HardState | undefined, snapshot: Snapshot | undefined): void {
    if (snapshot !== undefined) {
      this.storage.applySnapshot(snapshot);
      this.applied = utf8Text(snapshot.data).split(",").filter(Boolean);
      this.appliedIndex = snapshot.index;
      this.confState = snapshot.confState;
    }
    this.storage.append(entries);
    if (hardState !== undefined) this.storage.setHardState(hardState);
  }

  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.appliedIndex = entry.index;
      if (entry.type === EntryType.Normal) {
        if (entry.data.length > 0) this.applied.push(utf8Text(entry.data));
        continue;
      }
      const change = confChangeOf(entry);
      if (change !== undefined) this.confState = this.node.applyConfChange(change);
    }
  }
}

class World implements ScenarioSession {
  private readonly members = new Map<MemberId, Member>();
  private network: RaftMessage[] = [];
  private options: Partial<RaftConfig> = {};
  private out: string[] = [];

  run(line: string): string {
    const [command, ...args] = line.split(/\s+/);
    this.out = [];
    try {
      this.execute(command, args);
    } catch (error) {
      if (!(error instanceof Panic)) throw error;
      this.out.push(`panic: ${error.message}`);
    }
    return this.out.join("\n");
  }

  private execute(command: string, args: string[]): void {
    const words = args.filter((arg) => !arg.includes("="));
    const fields = new Map(args.filter((arg) => arg.includes("=")).map((arg) => split(arg)));
    switch (command) {
      case "cluster":
        return this.cluster(fields, words);
      case "send":
        return this.send(words, fields);
      case "settle":
        return this.settle(words.map(idOf));
      case "quiet":
        return this.quiet(words.map(idOf));
      case "network":
        for (const m of this.network) this.out.push(describeMessage(m));
        return;
      case "status":
        for (const member of this.selected(words)) this.out.push(firstLine(member.node.describe()));
        return;
      default:
        return this.atMember(command, this.member(idOf(words[0])), words.slice(1), fields);
    }
  }

  private atMember(command: string, member: Member, words: string[], fields: Map<string, string>): void {
    const { node } = member;
    switch (command) {
      case "member":
        return this.recreate(member, fields, words);
      case "campaign":
        return node.campaign();
      case "tick":
        for (let n = Number(words[0] ?? 1); n > 0; n--) node.tick();
        return;
      case "propose":
        return this.report(node.propose(words.map(utf8)));
      case "change":
        return this.report(node.proposeConfChange(parseChange(words)));
      case "leave":
        return this.report(node.proposeConfChange(undefined));
      case "read":
        return this.report(node.readIndex(utf8(words[0])));
      case "transfer":
        return node.transferLeader(idOf(words[0]));
      case "forget":
        return node.forgetLeader();
      case "unreachable":
        return node.reportUnreachable(idOf(words[0]));
      case "snapshot-status":
        return node.reportSnapshot(idOf(words[0]), words[1] === "ok");
      case "timeout":
        member.extraTicks = Number(words[0]);
        return;
      case "ready":
        return this.ready(member);
      case "deliver":
      case "drop":
      case "duplicate":
        return this.transport(command, member, words, fields);
      case "thread":
        for (let n = Number(words[1] ?? 1); n > 0; n--) this.thread(member, words[0] === "append");
        return;
      case "compact":
        return this.compact(member, Number(words[0]), Number(fields.get("keep") ?? 0));
      case "crash":
        member.isDown = true;
        this.network = this.network.filter((m) => m.to !== member.id);
        return;
      case "restart":
        member.restart(this.options);
        this.out.push(firstLine(member.node.describe()));
        return;
      default:
        return this.inspect(command, member);
    }
  }

  private inspect(command: string, member: Member): void {
    const { storage, node } = member;
    if (command === "log") {
      this.out.push(storage.describe());
      const entries = storage.entries(storage.firstIndex(), storage.lastIndex() + 1, Number.MAX_SAFE_INTEGER);
      this.out.push(describeEntries(entries ?? []));
    } else if (command === "progress") {
      this.out.push(...node.describe().split("\n").slice(1));
    } else if (command === "applied") {
      this.out.push(`${member.appliedIndex}: ${member.applied.join(" ")}`);
    } else if (command === "config") {
      this.out.push(node.describe().split("\n")[1]);
    } else {
      throw new Error(`no such command: ${command}`);
    }
  }

  private cluster(fields: Map<string, string>, words: string[]): void {
    const voters = idsOf(fields.get("voters"));
    const learners = idsOf(fields.get("learners"));
    const limit = (name: string, otherwise: number) => Number(fields.get(name) ?? otherwise);
    this.options = {
      electionTicks: 3,
      preVote: words.includes("prevote"),
      checkQuorum: words.includes("checkquorum") || words.includes("lease"),
      asyncStorageWrites: words.includes("async"),
      readOnlyMode: words.includes("lease") ? ReadOnlyMode.LeaseBased : ReadOnlyMode.Safe,
      stepDownOnRemoval: words.includes("stepdown"),
      disableProposalForwarding: words.includes("noforward"),
      disableConfChangeValidation: words.includes("novalidation"),
      inflightMessagesMax: limit("inflight", 256),
      inflightBytesMax: limit("inflight-bytes", Number.POSITIVE_INFINITY),
      messageBytesMax: limit("message-bytes", 1 << 20),
      uncommittedBytesMax: limit("uncommitted", Number.POSITIVE_INFINITY),
      applyingBytesMax: limit("applying", 1 << 20),
    };
    for (const id of [...voters, ...learners]) {
      const member = this.member(id);
      member.storage.setConfState(new ConfState(voters, learners));
      member.start(this.options);
    }
  }

  private recreate(old: Member, fields: Map<string, string>, words: string[]): void {
    const member = new Member(old.id);
    this.members.set(old.id, member);
    const terms = (fields.get("terms") ?? "").split(",").filter(Boolean).map(Number);
    member.storage.append(
      terms.map((term, i) => new Entry(term, i + 1, EntryType.Normal, utf8(`${term}.${i + 1}`))),
    );
    const commit = Number(fields.get("commit") ?? 0);
    const term = Number(fields.get("term") ?? terms.at(-1) ?? 0);
    member.storage.setHardState(new HardState(term, idOf(fields.get("vote") ?? "0"), commit));
    const known = old.node === undefined ? new ConfState() : old.confState;
    const given = new ConfState(idsOf(fields.get("voters")), idsOf(fields.get("learners")));
    if (!words.includes("empty")) member.storage.setConfState(fields.has("voters") ? given : known);
    member.start(this.options);
  }

  private ready(member: Member): void {
    const { node } = member;
    const ready = node.ready();
    this.print(ready.describe());
    if (this.options.asyncStorageWrites === true) {
      for (const m of ready.messages) {
        if (m.to === APPEND_THREAD) member.appended.push(m);
        else if (m.to === APPLY_THREAD) member.applies.push(m);
        else this.post([m]);
      }
      return;
    }
    this.post(ready.messages);
    member.persist(ready.entries, ready.hardState, ready.snapshot);
    this.post(ready.messagesAfterPersist);
    member.apply(ready.committedEntries);
    node.advance();
  }

  private thread(member: Member, isAppend: boolean): void {
    const work = (isAppend ? member.appended : member.applies).shift();
    if (work === undefined) return this.print("idle");
    this.print(describeMessage(work));
    if (isAppend) {
      const state = work.term === 0 ? undefined : new HardState(work.term, work.vote, work.commit);
      member.persist(work.entries, state, work.snapshot);
    } else {
      member.apply(work.entries);
    }
    for (const m of work.responses) {
      if (m.to === member.id) this.report(member.node.step(m));
      else this.post([m]);
    }
  }

  /** What is sent to a member that is down, or not there yet, is lost. */
  private post(messages: readonly RaftMessage[]): void {
    for (const m of messages) if (this.members.get(m.to)?.isDown === false) this.network.push(m);
  }

  private transport(command: string, to: Member, words: string[], fields: Map<string, string>): void {
    const from = fields.get("from");
    const type = fields.get("type");
    const matches = (m: RaftMessage) =>
      m.to === to.id &&
      (from === undefined || m.from === idOf(from)) &&
      (type === undefined || m.type === MessageType[type as keyof typeof MessageType]);
    let chosen = this.network.filter(matches);
    if (words.includes("last")) chosen = chosen.slice(-1);
    if (words.includes("reverse")) chosen.reverse();
    if (command !== "duplicate") this.network = this.network.filter((m) => !chosen.includes(m));
    for (const m of chosen) {
      if (command === "duplicate") this.network.push(m);
      this.print(`${command === "deliver" ? "" : `${command} `}${describeMessage(m)}`);
      if (command === "deliver" && !to.isDown) this.report(to.node.step(m));
    }
  }

  private send(words: string[], fields: Map<string, string>): void {
    const m = new RaftMessage(MessageType[words[2] as keyof typeof MessageType]);
    m.from = idOf(words[0]);
    m.to = idOf(words[1]);
    const number = (name: string) => Number(fields.get(name) ?? 0);
    m.term = number("term");
    m.index = number("index");
    m.logTerm = number("logTerm");
    m.commit = number("commit");
    m.reject = fields.get("reject") === "true";
    m.rejectHint = number("hint");
    m.context = utf8(fields.get("context") ?? "");
    const terms = (fields.get("terms") ?? "").split(",").filter(Boolean).map(Number);
    m.entries = terms.map(
      (term, i) => new Entry(term, m.index + 1 + i + number("gap"), EntryType.Normal, utf8(`${term}!`)),
    );
    if (fields.has("snapshot")) {
      const [term, index] = (fields.get("snapshot") ?? "").split("/").map(Number);
      const voters = idsOf(fields.get("voters"));
      m.snapshot = new Snapshot(index, term, new ConfState(voters, idsOf(fields.get("learners"))));
    }
    this.report(this.member(m.to).node.step(m));
  }

  private compact(member: Member, index: number, keep: number): void {
    const data = utf8(member.applied.join(","));
    member.storage.createSnapshot(index, member.confState, data);
    if (index > keep) member.storage.compact(index - keep);
    this.out.push(member.storage.describe());
  }

  private settle(only: MemberId[]): void {
    const included = (id: MemberId) => only.length === 0 || only.includes(id);
    for (let busy = true, rounds = 0; busy; rounds++) {
      if (rounds > 100) throw new Error("the cluster does not settle");
      busy = false;
      for (const member of this.members.values()) {
        if (!included(member.id) || member.isDown) continue;
        if (this.network.some((m) => m.to === member.id)) {
          this.out.push(`> ${member.id} receives`);
          this.transport("deliver", member, [], new Map());
          busy = true;
        }
        while (member.node.hasReady()) {
          this.out.push(`> ${member.id} ready`);
          this.ready(member);
          busy = true;
        }
        while (member.appended.length > 0 || member.applies.length > 0) {
          const isAppend = member.appended.length > 0;
          this.out.push(`> ${member.id} ${isAppend ? "appends" : "applies"}`);
          this.thread(member, isAppend);
          busy = true;
        }
      }
    }
    if (this.out.length === 0) this.out.push("quiet");
  }

  private quiet(only: MemberId[]): void {
    this.settle(only);
    this.out = [];
    for (const member of this.selected(only.map(String))) this.out.push(firstLine(member.node.describe()));
  }

  private selected(words: string[]): Member[] {
    if (words.length > 0) return words.map((word) => this.member(idOf(word)));
    return [...this.members.values()];
  }

  private member(id: MemberId): Member {
    const known = this.members.get(id);
    if (known !== undefined) return known;
    const member = new Member(id);
    this.members.set(id, member);
    return member;
  }

  private print(text: string): void {
    for (const line of text.split("\n")) this.out.push(`  ${line}`);
  }

  private report(result: StepResult): void {
    if (result !== 0) this.out.push(`  error: ${STEP_RESULT_TEXTS[result]}`);
  }
}

function idOf(word: string): MemberId {
  return BigInt(word);
}

function idsOf(list: string | undefined): MemberId[] {
  return (list ?? "").split(",").filter(Boolean).map(BigInt);
}

function split(arg: string): [string, string] {
  const at = arg.indexOf("=");
  return [arg.slice(0, at), arg.slice(at + 1)];
}

function firstLine(text: string): string {
  return text.slice(0, text.indexOf("\n"));
}

function parseChange(words: string[]): ConfChange | ConfChangeV2 {
  const steps = words
    .filter((word) => /^[vrul]\d+$/.test(word))
    .map((word) => new ConfChangeSingle("vrul".indexOf(word[0]) as ConfChangeType, BigInt(word.slice(1))));
  if (words.includes("v1")) return new ConfChange(0n, steps[0].type, steps[0].nodeId);
  const transition = words.includes("explicit")
    ? ConfChangeTransition.JointExplicit
    : words.includes("implicit")
      ? ConfChangeTransition.JointImplicit
      : ConfChangeTransition.Auto;
  return new ConfChangeV2(transition, steps);
}

testScenarios(`${import.meta.dirname}/testdata`, () => new World(), "ok");
