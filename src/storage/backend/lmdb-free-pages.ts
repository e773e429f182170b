// lmdb's list of free pages: a second tree, from transaction number to the pages that the transaction freed. A flipped bit in
// it would make lmdb write over pages that are in use, so a start compares it with the pages of the main tree.
//
//   value of the free-page tree (64-bit numbers, little-endian)
//   offset size
//   0      8    entries that follow
//   8      8 n  entries: 0 nothing; p > 0 page p; -c < 0 that the next entry begins a run of c pages

import type { PageSet } from "../bbolt/page-set.js";
import type { LmdbFile, TreeRoot } from "./lmdb-file.js";
import { TreeWalk } from "./lmdb-walk.js";

/** @param used the pages of the main tree; the pages of the free-page tree and the free pages are added */
export function checkFreePages(file: LmdbFile, tree: TreeRoot, used: PageSet): void {
  const { free } = tree;
  if (free === undefined || free.depth === 0) return;
  const lists: BigInt64Array[] = [];
  const walk = new TreeWalk(file, free, { used }, (_key, _keyStart, _keyEnd, value, start, end) => {
    if (end - start < 8 || (end - start) % 8 !== 0) file.damaged("a list of free pages of impossible size");
    lists.push(new BigInt64Array(new Uint8Array(value.subarray(start, end)).buffer));
  });
  walk.run();
  for (const list of lists) checkList(file, tree, used, list);
}

function checkList(file: LmdbFile, tree: TreeRoot, used: PageSet, list: BigInt64Array): void {
  const count = Number(list[0]);
  if (count < 0 || count >= list.length)
    file.damaged("a list of free pages runs out of its record", { count });
  for (let i = 1; i <= count; i++) {
    let page = Number(list[i]);
    if (page === 0) continue;
    let run = 1;
    if (page < 0) {
      if (i === count) return; // the run's first page is in the next record
      run = -page;
      page = Number(list[++i]);
    }
    if (page < 2 || page + run > tree.pages) file.damaged("a free page lies outside the file", { page, run });
    if (!used.add(page, run)) file.damaged("a free page is in use", { page, run });
  }
}
