// What raft itself costs: members in memory, no network, no disk. Batches are proposed as the server's driver does (all
// proposals of a turn in one call), and every message and Ready is handled by the book. Run after `npm run build`:
//
//   node tools/bench-raft.mjs [milliseconds per line, default 500]

import { SeededRandom } from "../dist/base/index.js";
import { ConfState } from "../dist/proto/index.js";
import { MemoryLogStorage, RawNode } from "../dist/raft/index.js";

const ENTRY_BYTES = 256;
const KEEP = 5000;
const COMPACT_EVERY = 10_000;
const budgetMs = Number(process.argv[2] ?? 500);

function newCluster(size) {
  const voters = Array.from({ length: size }, (_, i) => BigInt(i + 1));
  const members = voters.map((id) => {
    const storage = new MemoryLogStorage();
    storage.setConfState(new ConfState(voters));
    return { node: new RawNode({ id, storage, random: new SeededRandom(Number(id)) }), storage, applied: 0 };
  });
  members[0].node.campaign();
  settle(members);
  return members;
}

/** Everything to its end: messages delivered, Readys handled, entries applied. */
function settle(members) {
  for (let busy = true; busy; ) {
    busy = false;
    for (const member of members) {
      while (member.node.hasReady()) {
        busy = true;
        handle(members, member);
      }
    }
  }
}

function handle(members, member) {
  const { node, storage } = member;
  const ready = node.ready();
  for (const m of ready.messages) members[Number(m.to) - 1].node.step(m);
  storage.append(ready.entries);
  if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
  for (const m of ready.messagesAfterPersist) members[Number(m.to) - 1].node.step(m);
  member.applied += ready.committedEntries.length;
  node.advance();
  if (storage.length > KEEP + COMPACT_EVERY) storage.compact(storage.lastIndex() - KEEP);
}

function measure(size, batch) {
  const members = newCluster(size);
  const data = new Uint8Array(ENTRY_BYTES);
  const datas = Array(batch).fill(data);
  const runFor = (ms) => {
    const start = performance.now();
    let entries = 0;
    while (performance.now() - start < ms) {
      for (let i = 0; i < 20; i++) {
        members[0].node.propose(datas);
        settle(members);
        entries += batch;
      }
    }
    return { entries, ms: performance.now() - start };
  };
  runFor(budgetMs / 2);
  const { entries, ms } = runFor(budgetMs);
  for (const member of members) {
    if (member.applied < entries) throw new Error("a member has not applied everything");
  }
  return { perSecond: (entries / ms) * 1000, microseconds: (ms * 1000) / entries };
}

console.log("members  batch     entries/s  us/entry  us/entry and member");
for (const size of [1, 3]) {
  for (const batch of [1, 10, 100, 1000]) {
    const { perSecond, microseconds } = measure(size, batch);
    console.log(
      String(size).padStart(7),
      String(batch).padStart(6),
      Math.round(perSecond).toLocaleString("en").padStart(13),
      microseconds.toFixed(3).padStart(9),
      (microseconds / size).toFixed(3).padStart(20),
    );
  }
}
