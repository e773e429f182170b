// What each room costs: reads the processor profiles of a folder (`npm run bench -- --cpu-prof FOLDER`, or node --cpu-prof)
// and prints the time by room. What the engine and the system do for a function counts for the room of its caller; only
// garbage collection has no caller. A profile covers one thread; the largest one is the member's main thread.
//
//   node tools/profile-rooms.mjs FOLDER

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2];
if (folder === undefined) {
  console.error("usage: node tools/profile-rooms.mjs FOLDER");
  process.exit(2);
}

const profiles = readdirSync(folder)
  .filter((name) => name.endsWith(".cpuprofile"))
  .map((name) => ({ name, profile: JSON.parse(readFileSync(join(folder, name), "utf8")) }));
if (profiles.length === 0) {
  console.error(`no .cpuprofile file in ${folder}`);
  process.exit(1);
}
for (const { name, profile } of profiles) print(name, roomTimes(profile));

/** Microseconds by room. */
function roomTimes({ nodes, samples, timeDeltas }) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const rooms = new Map();
  assign(byId, nodes[0], "node");
  for (let i = 0; i < samples.length; i++) {
    const { room } = byId.get(samples[i]);
    rooms.set(room, (rooms.get(room) ?? 0) + timeDeltas[i]);
  }
  return rooms;
}

/** Gives a node its room: its own file's, or else its caller's. */
function assign(byId, node, callers) {
  const { url, functionName } = node.callFrame;
  if (functionName === "(garbage collector)") node.room = "garbage collection";
  else if (functionName === "(idle)") node.room = "(idle)";
  else node.room = roomOf(url) ?? callers;
  for (const child of node.children ?? []) assign(byId, byId.get(child), node.room);
}

/** The room of a file of ours. */
function roomOf(url) {
  return url.includes("/node_modules/") ? undefined : /\/dist\/([a-z]+)\//.exec(url)?.[1];
}

function print(name, rooms) {
  rooms.delete("(idle)");
  const total = [...rooms.values()].reduce((sum, time) => sum + time, 0);
  console.log(`${name}: ${(total / 1e6).toFixed(2)} s busy`);
  for (const [room, time] of [...rooms].sort((a, b) => b[1] - a[1]))
    console.log(`  ${room.padEnd(20)} ${((100 * time) / total).toFixed(1).padStart(5)} %`);
}
