import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { expect, test } from "vitest";
import { utf8 } from "#base";
import { Entry, HardState } from "#proto";
import { NodeDisk } from "../disk/node-disk.js";
import { Wal } from "./wal.js";
import type { WalOptions } from "./wal-start.js";

const SMALL: WalOptions = { segmentBytes: 64 * 1024 };

test("what was saved comes back after close and open, across segments", async () => {
  const dir = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "wal-")), "wal");
  const disk = new NodeDisk();
  const wal = await Wal.create(disk, dir, utf8("meta"), SMALL);
  for (let i = 1; i <= 3000; i++) {
    const entry = new Entry(1, i, 0, utf8(`value ${i} `.repeat(5)));
    if (i % 2 === 0 && wal.canSaveSync) wal.saveSync(new HardState(1, 7n, i - 1), [entry]);
    else await wal.save(new HardState(1, 7n, i - 1), [entry]);
  }
  await wal.save(new HardState(1, 7n, 3000), []);
  await wal.close();
  expect(fs.readdirSync(dir).length).toBeGreaterThan(4);
  const { wal: again, contents } = await Wal.open(disk, dir, undefined, SMALL);
  expect(contents.entries.length).toBe(3000);
  expect(contents.hardState).toEqual(new HardState(1, 7n, 3000));
  await again.close();
});
