#!/usr/bin/env node
// Costs of the log on this machine: encoding, one save at a time in both ways, bulk, start.
//
//   node tools/bench-wal.mjs [directory on the disk to measure]

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Entry, HardState } from "../dist/proto/index.js";
import { NodeDisk, RecordEncoder, Wal } from "../dist/storage/index.js";

const ENTRY_BYTES = 300;
const data = Uint8Array.from({ length: ENTRY_BYTES }, (_, i) => i * 7);
const directory = mkdtempSync(join(process.argv[2] ?? tmpdir(), "bench-wal-"));
const disk = new NodeDisk();
let index = 0;

try {
  benchEncoding();
  const made = performance.now();
  index = 0;
  const wal = await Wal.create(disk, join(directory, "wal"), new Uint8Array(22));
  report("create", performance.now() - made, "ms");
  for (const size of [1, 10, 100]) {
    await benchSaves(`saveSync, ${size} entries`, size, 300, saveSync);
    await benchSaves(`save, ${size} entries`, size, 300, (state, entries) => wal.save(state, entries));
  }
  await benchSaves("save, 1000 entries, over segments", 1000, 400, (state, entries) =>
    wal.save(state, entries),
  );
  await wal.close();
  const opened = performance.now();
  const again = await Wal.open(disk, join(directory, "wal"));
  report(`open, ${again.contents.entries.length} entries`, performance.now() - opened, "ms");
  await again.wal.close();

  async function saveSync(state, entries) {
    if (wal.canSaveSync) wal.saveSync(state, entries);
    else await wal.save(state, entries);
  }
} finally {
  rmSync(directory, { recursive: true });
}

function benchEncoding() {
  const encoder = new RecordEncoder(0);
  const entries = batch(1000);
  const round = () => {
    encoder.out.reset();
    for (const entry of entries) encoder.entry(entry);
  };
  for (let i = 0; i < 200; i++) round();
  const start = performance.now();
  for (let i = 0; i < 1000; i++) round();
  report(`encode one entry of ${ENTRY_BYTES} bytes`, (performance.now() - start) / 1000, "us");
}

async function benchSaves(name, size, rounds, save) {
  const times = [];
  for (let i = 0; i < rounds; i++) {
    const entries = batch(size);
    const start = performance.now();
    await save(new HardState(5, 7n, index - size), entries);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  report(`${name}, median`, times[rounds >> 1], "ms");
  report(`${name}, p99`, times[Math.floor(rounds * 0.99)], "ms");
}

function batch(size) {
  return Array.from({ length: size }, () => new Entry(5, ++index, 0, data));
}

function report(name, value, unit) {
  console.log(`${name.padEnd(48)} ${value.toFixed(3).padStart(10)} ${unit}`);
}
