// The promises of a watch. The events that a watcher must get follow from the log: all changes of its keys from its start
// on, in order, less what it filters. What it got must be a beginning of that list, and for a stream that worked to the
// end all of it. One comparison thus covers etcd's separate rules, whose names say which one was broken:
//
//   ordered       revisions do not go back                   filter      only what was asked for, from the start revision on
//   unique        no event twice                             atomic      all events of a revision in one response (fragments
//   reliable      none left out between the first and last               of one response reassemble)
//   resumable     the first one is the first at or after     previous value, create flag: as the model has them
//                 the start revision
//
// Beyond those: a progress notice passes over nothing and never comes to a watcher that starts later (bookmarkable);
// created comes once and first; a cancellation has its cause: the client's wish, a refusal that the request deserves, or a
// compaction beyond what the watcher has got, and then its mark; nothing follows it. A watcher that began below the
// mark of its member gets no events; one that lives on is never silent: events, cancellations and notices arrive.

import type {
  History,
  Kv,
  WatchCreate,
  WatchEventRecord,
  WatchResponseRecord,
  WatchStreamRecord,
} from "../history.js";
import type { Checker } from "./checker.js";
import { kvDifference } from "./compare-results.js";
import { Lives } from "./lives.js";
import { isInRange } from "./model-range.js";
import { type Replay, replayOf } from "./replay.js";
import { Report } from "./report.js";

const NAME = "watch";
/** For what is under way when a stream ends, at rest. */
const UNDER_WAY_MS = 3000;
/** Notices come by a timer of their own, within two intervals; late by a tenth, and by what a busy member takes. */
const PROGRESS_LATE = 2.2;
const PROGRESS_SLACK_MS = 2000;

export const watch: Checker = {
  name: NAME,
  check(history) {
    const report = new Report(NAME);
    const marks = new MemberMarks(history);
    for (const stream of history.watches) new StreamCheck(history, stream, marks, report).run();
    return report.violations;
  },
};

/** The compaction mark of each member, as far as its present life has applied it. */
class MemberMarks {
  private readonly records: { readonly member: number; readonly time: number; readonly mark: number }[] = [];
  private readonly lives: Lives;

  constructor(history: History) {
    this.lives = new Lives(history);
    const marks = new Map(replayOf(history).compactions.map((step) => [step.index, step.compactRevision]));
    for (const { index, member, time } of history.applied) {
      const mark = marks.get(index);
      if (mark !== undefined) this.records.push({ member, time, mark });
    }
  }

  at(member: number, time: number): number {
    const last = this.records.findLast((record) => record.member === member && record.time < time);
    return last !== undefined && this.lives.isSame(member, last.time, time) ? last.mark : -1;
  }
}

/** One watcher of a stream. */
class WatcherCheck {
  readonly create: WatchCreate;
  /** First revision that it wants. */
  readonly start: number;
  lastRevision = 0;
  /** The highest revision of which a notice said that it is complete. */
  bookmark = 0;
  lastHeard: number;
  cancelAskedAt = Number.POSITIVE_INFINITY;
  inFragments = false;
  /** A violation was found; the rest would only repeat it. */
  isBroken = false;
  private readonly replay: Replay;
  private atRevision: number;
  private atEvent = 0;

  constructor(replay: Replay, create: WatchCreate, start: number, time: number) {
    this.replay = replay;
    this.create = create;
    this.start = start;
    this.lastHeard = time;
    this.atRevision = Math.max(start, 2);
  }

  /** The next event that it must get, undefined if the log has no more. */
  peek(): WatchEventRecord | undefined {
    for (let step = this.replay.madeBy(this.atRevision); step !== undefined; ) {
      for (; this.atEvent < step.events.length; this.atEvent++)
        if (this.wants(step.events[this.atEvent])) return step.events[this.atEvent];
      this.atRevision++;
      this.atEvent = 0;
      step = this.replay.madeBy(this.atRevision);
    }
    return undefined;
  }

  advance(): void {
    this.atEvent++;
  }

  wants({ type, kv }: WatchEventRecord): boolean {
    const { create } = this;
    if (type === "put" ? create.noPut : create.noDelete) return false;
    return isInRange(kv.key, create.key === "" ? "\0" : create.key, create.rangeEnd);
  }

  /** Everything below this revision has certainly been sent. */
  get cursor(): number {
    return Math.max(this.start, this.lastRevision + 1, this.bookmark + 1);
  }
}

class StreamCheck {
  private readonly watchers = new Map<number, WatcherCheck>();
  private readonly creates: readonly WatchCreate[];
  private created = 0;
  private readonly history: History;
  private readonly stream: WatchStreamRecord;
  private readonly marks: MemberMarks;
  private readonly report: Report;
  private readonly replay: Replay;

  constructor(history: History, stream: WatchStreamRecord, marks: MemberMarks, report: Report) {
    this.history = history;
    this.stream = stream;
    this.marks = marks;
    this.report = report;
    this.replay = replayOf(history);
    this.creates = stream.asks.filter((ask): ask is WatchCreate => ask.kind === "create");
  }

  run(): void {
    for (const response of this.stream.responses) this.checkResponse(response);
    const { endedAt, endReason, stalls } = this.stream;
    const { quietFrom } = this.history;
    const isQuiet = quietFrom > 0 && endedAt > quietFrom && (endReason === "" || endReason === "client");
    const lastStall = stalls[stalls.length - 1];
    if (isQuiet && (lastStall === undefined || lastStall.to < quietFrom)) this.checkEnd();
  }

  private checkResponse(response: WatchResponseRecord): void {
    const { watchId, revision, time } = response;
    const newest = this.replay.revisionBy(time);
    if (revision > newest)
      this.violate(`header says ${revision} when ${newest} was the newest`, time, response);
    if (response.created) return this.checkCreated(response);
    const isNotice = response.events.length === 0 && !response.canceled;
    if (isNotice && watchId === -1) return this.checkStreamProgress(response);
    const watcher = this.watchers.get(watchId);
    if (watcher === undefined)
      return this.violate(
        `a response for watcher ${watchId}, which does not exist (any more)`,
        time,
        response,
      );
    if (response.canceled) this.checkCanceled(watcher, response);
    else if (isNotice) this.checkProgress(watcher, response, true);
    else this.checkEvents(watcher, response);
    watcher.lastHeard = time;
  }

  // Created.

  /** Creations are answered in order; the client numbers its watchers or lets the member do so. */
  private checkCreated(response: WatchResponseRecord): void {
    const create = this.creates[this.created++];
    const { watchId, time } = response;
    if (create === undefined || create.time > time)
      return this.violate(`created watcher ${watchId}, which was not asked for`, time, response);
    if (response.canceled) return this.checkRefused(create, response);
    const cause = this.refusalOf(create);
    if (cause !== undefined) this.violate(`a watcher was created although ${cause}`, time, create, response);
    if (create.watchId !== 0 && watchId !== create.watchId)
      this.violate(`watcher ${create.watchId} was created as ${watchId}`, time, create, response);
    if (this.watchers.has(watchId))
      this.violate(`watcher ${watchId} was created twice`, time, create, response);
    if (response.events.length > 0) this.violate("events came with the answer to a creation", time, response);
    const start = create.startRevision === 0 ? response.revision + 1 : create.startRevision;
    const watcher = new WatcherCheck(this.replay, create, start, time);
    watcher.cancelAskedAt = this.cancelAskedAt(watchId, create.time);
    this.watchers.set(watchId, watcher);
  }

  private checkRefused(create: WatchCreate, response: WatchResponseRecord): void {
    const { time, watchId, cancelReason } = response;
    if (this.refusalOf(create) === undefined)
      this.violate(`a watcher was refused without a cause (${cancelReason})`, time, create, response);
    if (watchId !== -1) this.violate(`a refused watcher has id ${watchId}`, time, response);
    if (cancelReason === "") this.violate("a watcher was refused without a reason", time, response);
  }

  private refusalOf(create: WatchCreate): string | undefined {
    const { startRevision, key, rangeEnd, watchId } = create;
    if (startRevision < 0) return "it starts at a negative revision";
    if (rangeEnd !== "" && rangeEnd !== "\0" && rangeEnd <= key) return "its range is empty";
    // One that is being cancelled at the same time may still be there or not.
    const other = this.watchers.get(watchId);
    if (watchId !== 0 && other !== undefined && other.cancelAskedAt > create.time) return "its id is in use";
    return undefined;
  }

  /** When the client first asked for the end of a watcher that it created at `from`, Infinity if never. */
  private cancelAskedAt(watchId: number, from: number): number {
    const ask = this.stream.asks.find(
      (candidate) => candidate.kind === "cancel" && candidate.watchId === watchId && candidate.time >= from,
    );
    return ask?.time ?? Number.POSITIVE_INFINITY;
  }

  // Events.

  private checkEvents(watcher: WatcherCheck, response: WatchResponseRecord): void {
    if (watcher.isBroken) return;
    const { events, revision, time, fragment } = response;
    const { member } = this.stream;
    if (watcher.lastRevision === 0) {
      const mark = this.marks.at(member, watcher.create.time);
      if (watcher.start < mark)
        this.breaks(
          watcher,
          `not compacted: began at ${watcher.start}, below its member's mark ${mark}`,
          response,
        );
    }
    for (const event of events) {
      this.checkEvent(watcher, event, response);
      if (watcher.isBroken) return;
      watcher.lastRevision = event.kv.modRevision;
    }
    if (revision < watcher.lastRevision)
      this.breaks(watcher, `header says ${revision}, below its event of ${watcher.lastRevision}`, response);
    if (fragment && !watcher.create.fragment) this.breaks(watcher, "fragments were not asked for", response);
    watcher.inFragments = fragment;
    if (!fragment && watcher.peek()?.kv.modRevision === watcher.lastRevision)
      this.breaks(watcher, `atomic: revision ${watcher.lastRevision} is split over responses`, response);
    if (this.replay.revisionBy(time) < watcher.lastRevision)
      this.breaks(watcher, `revision ${watcher.lastRevision} was shown before it was committed`, response);
  }

  private checkEvent(watcher: WatcherCheck, event: WatchEventRecord, response: WatchResponseRecord): void {
    const expected = watcher.peek();
    const isNext = expected?.kv.modRevision === event.kv.modRevision && expected.kv.key === event.kv.key;
    if (expected === undefined || !isNext)
      return this.breaks(watcher, this.misplaced(watcher, event, expected), response);
    const found =
      expected.type === event.type ? kvDifference("kv", expected.kv, event.kv) : `type is ${event.type}`;
    if (found !== undefined)
      return this.breaks(watcher, `event of ${event.kv.modRevision}: ${found}`, response);
    this.checkPrevious(watcher, event, expected.prevKv, response);
    watcher.advance();
  }

  private checkPrevious(
    watcher: WatcherCheck,
    event: WatchEventRecord,
    previous: Kv | undefined,
    response: WatchResponseRecord,
  ): void {
    const expected = watcher.create.prevKv ? previous : undefined;
    const found = kvDifference("prev_kv", expected, event.prevKv);
    if (found === undefined) return;
    // It is looked up when the event is sent; by then it may be compacted away.
    const mark = this.replay.lastBy(response.time)?.compactRevision ?? -1;
    const isGone = expected !== undefined && event.prevKv === undefined && event.kv.modRevision - 1 < mark;
    if (!isGone) this.breaks(watcher, `previous value: event of ${event.kv.modRevision}: ${found}`, response);
  }

  /** Which rule an event breaks that is not the next one. */
  private misplaced(
    watcher: WatcherCheck,
    event: WatchEventRecord,
    expected: WatchEventRecord | undefined,
  ): string {
    const { modRevision, key } = event.kv;
    const what = `${event.type} ${key}@${modRevision}`;
    if (modRevision < watcher.start)
      return `filter: ${what} is older than the start revision ${watcher.start}`;
    if (!watcher.wants(event)) return `filter: ${what} was not asked for`;
    if (modRevision < watcher.lastRevision) return `ordered: ${what} after revision ${watcher.lastRevision}`;
    const step = this.replay.madeBy(modRevision);
    if (!step?.events.some((other) => other.kv.key === key)) return `${what} is not in the log`;
    const isFirst = watcher.lastRevision === 0;
    if (expected === undefined || expected.kv.modRevision > modRevision) return `unique: ${what} came again`;
    if (expected.kv.modRevision === modRevision && modRevision === watcher.lastRevision)
      return `unique or ordered: ${what} instead of ${expected.kv.key}`;
    const rule = isFirst ? "resumable" : "reliable";
    return `${rule}: ${what} came, but not ${expected.type} ${expected.kv.key}@${expected.kv.modRevision}`;
  }

  // Progress.

  private checkStreamProgress(response: WatchResponseRecord): void {
    const { time } = response;
    const isAsked = this.stream.asks.some((ask) => ask.kind === "progress" && ask.time <= time);
    if (!isAsked) this.violate("a progress notice for the stream, which was not asked for", time, response);
    for (const watcher of this.watchers.values()) this.checkProgress(watcher, response, false);
  }

  private checkProgress(watcher: WatcherCheck, response: WatchResponseRecord, isOwn: boolean): void {
    const { revision } = response;
    if (watcher.isBroken) return;
    if (isOwn && !watcher.create.progressNotify)
      this.breaks(watcher, "a progress notice to a watcher that wants none", response);
    const next = watcher.peek();
    if (next !== undefined && next.kv.modRevision <= revision)
      this.breaks(
        watcher,
        `bookmarkable: notice of ${revision} before ${next.type} ${next.kv.key}@${next.kv.modRevision}`,
        response,
      );
    if (revision < watcher.start - 1)
      this.breaks(
        watcher,
        `bookmarkable: notice of ${revision} to a watcher from ${watcher.start} on`,
        response,
      );
    if (revision < watcher.lastRevision)
      this.breaks(
        watcher,
        `bookmarkable: notice of ${revision} after events of ${watcher.lastRevision}`,
        response,
      );
    this.checkIdle(watcher, response.time);
    watcher.bookmark = Math.max(watcher.bookmark, revision);
  }

  /** Silence between two signs of life, in the fault-free phase. */
  private checkIdle(watcher: WatcherCheck, time: number): void {
    const { livenessFrom, watchProgressIntervalMs, electionTimeoutMs } = this.history;
    if (livenessFrom === 0 || !watcher.create.progressNotify || watcher.isBroken) return;
    const calmFrom = livenessFrom + 10 * electionTimeoutMs;
    const from = Math.max(calmFrom, watcher.lastHeard);
    if (watcher.start > this.replay.revisionBefore(from)) return; // it may wait for its start
    const limit = watchProgressIntervalMs * PROGRESS_LATE + PROGRESS_SLACK_MS;
    if (time - from > limit)
      this.breaks(watcher, `no notice for ${Math.round(time - from)} ms`, {
        time,
        watchId: watcher.create.watchId,
      });
  }

  // The end of a watcher, and of the stream.

  private checkCanceled(watcher: WatcherCheck, response: WatchResponseRecord): void {
    const { watchId, time, compactRevision, cancelReason } = response;
    this.watchers.delete(watchId);
    if (compactRevision > 0) return this.checkCompacted(watcher, response);
    if (watcher.cancelAskedAt > time)
      this.violate(`watcher ${watchId} was canceled without a cause (${cancelReason})`, time, response);
  }

  private checkCompacted(watcher: WatcherCheck, response: WatchResponseRecord): void {
    const { compactRevision, time, cancelReason } = response;
    const step = this.replay.compactions.find((candidate) => candidate.compactRevision === compactRevision);
    if (step === undefined || step.time > time)
      this.breaks(watcher, `canceled for compaction ${compactRevision}, which had not happened`, response);
    else if (watcher.cursor >= compactRevision)
      this.breaks(
        watcher,
        `canceled for compaction ${compactRevision} although it had all below ${watcher.cursor}`,
        response,
      );
    if (cancelReason !== "")
      this.breaks(watcher, `canceled for compaction with a reason: ${cancelReason}`, response);
  }

  private checkEnd(): void {
    const { stream, replay } = this;
    const end = Math.min(stream.endedAt, this.history.endedAt || Number.POSITIVE_INFINITY) - UNDER_WAY_MS;
    const unanswered = this.creates[this.created];
    if (unanswered !== undefined && unanswered.time < end)
      this.violate("a creation was never answered", stream.endedAt, unanswered);
    for (const [watchId, watcher] of this.watchers) {
      if (watcher.isBroken) continue;
      const next = watcher.peek();
      const step = next === undefined ? undefined : replay.madeBy(next.kv.modRevision);
      if (next !== undefined && step !== undefined && step.time < end)
        this.breaks(
          watcher,
          `silence: ${next.type} ${next.kv.key}@${next.kv.modRevision} never came, nor a cancellation`,
          { time: stream.endedAt, watchId },
        );
      if (watcher.cancelAskedAt < end)
        this.breaks(watcher, "a cancellation was never answered", { time: end, watchId });
      this.checkIdle(watcher, end);
    }
  }

  private breaks(watcher: WatcherCheck, text: string, response: { time: number; watchId: number }): void {
    watcher.isBroken = true;
    this.violate(`watcher ${response.watchId}: ${text}`, response.time, watcher.create, response);
  }

  private violate(text: string, time: number, ...evidence: unknown[]): void {
    const { id, member } = this.stream;
    this.report.add(`stream ${id} on member ${member}: ${text}`, time, ...evidence);
  }
}
