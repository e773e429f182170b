// Prints a database file: a backend (member/snap/db.lmdb), a bbolt file of etcd or a snapshot. Run after `npm run build`:
//
//   node tools/dump-db.mjs FILE            what the file is, and the records of each bucket counted
//   node tools/dump-db.mjs FILE BUCKET     every record of one bucket, "key" for the revisions
//
// Everything is checked on the way; damage ends the dump with what and where.

import { printable } from "../dist/base/index.js";
import { openDatabaseFile } from "../dist/storage/index.js";
import { print } from "./print.mjs";

const [path, wanted] = process.argv.slice(2);
if (path === undefined) {
  console.error("usage: node tools/dump-db.mjs FILE [BUCKET]");
  process.exit(2);
}

/** A revision key as main.sub, with t for a tombstone; other keys as text. */
function nameOf(bucket, key) {
  if (bucket !== "key" || key.length < 17) return printable(key);
  const bytes = Buffer.from(key);
  return `${bytes.readBigUInt64BE(0)}.${bytes.readBigUInt64BE(9)}${key.length === 18 ? "t" : ""}`;
}

function shorten(text) {
  return text.length <= 200 ? text : `${text.slice(0, 200)}… (${text.length} characters)`;
}

try {
  const file = openDatabaseFile(path);
  print(`${path}: ${file.kind}`);
  for (const [name, value] of Object.entries(file.facts)) print(`  ${name} ${value}`);
  const counts = new Map();
  file.forEach((bucket, key, value) => {
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
    if (bucket === wanted) print(`${nameOf(bucket, key)} ${shorten(printable(value))}`);
  });
  for (const [bucket, count] of counts) print(`bucket ${bucket}: ${count} records`);
  file.close();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
