import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LmdbEnvironment, type ValueBuffer, valueHandle } from "./lmdb-environment.js";

describe("LmdbEnvironment", () => {
  let folder: string;
  let environment: LmdbEnvironment;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lmdb-environment-"));
    environment = new LmdbEnvironment({ path: join(folder, "db"), unsafeNoFsync: true });
  });

  afterEach(async () => {
    await environment.close();
    rmSync(folder, { recursive: true });
  });

  function write(key: string, value: string, isAppend: boolean): void {
    const bytes = Buffer.allocUnsafeSlow(value.length) as ValueBuffer;
    bytes.write(value);
    bytes.start = 0;
    bytes.end = value.length;
    const handle = valueHandle(bytes);
    if (isAppend) environment.append(Buffer.from(key), handle);
    else environment.put(Buffer.from(key), handle);
  }

  function read(key: string): string | undefined {
    const length = environment.get(Buffer.from(key));
    return length < 0 ? undefined : Buffer.from(environment.value.subarray(0, length)).toString();
  }

  it("appends behind all others", () => {
    environment.transact(() => {
      write("a", "put", false);
      for (let i = 0; i < 2000; i++) write(`b${String(i).padStart(5, "0")}`, `value ${i}`, true);
    });
    environment.transact(() => write("c", "last", true));
    environment.refresh();
    expect([read("a"), read("b00000"), read("b01999"), read("c")]).toEqual([
      "put",
      "value 0",
      "value 1999",
      "last",
    ]);
    expect(environment.statistics().entries).toBe(2002);
  });

  it("puts what it was to append where it belongs, when that is not the end", () => {
    environment.transact(() => {
      write("b", "one", true);
      write("a", "two", true);
      write("b", "three", true);
      write("c", "four", true);
    });
    environment.refresh();
    expect([read("a"), read("b"), read("c")]).toEqual(["two", "three", "four"]);
    expect(environment.statistics().entries).toBe(3);
  });
});
