import { expect, test } from "vitest";
import { utf8, WireWriter } from "#base";
import { PutRequest, RangeRequest } from "#proto";
import { Store } from "./store.js";
import { TestBackend } from "./testing/memory-backend.js";

test("smoke", () => {
  const backend = new TestBackend();
  const leases = { exists: () => false, attach: () => {}, detach: () => {} };
  const store = new Store(backend, { leases });
  store.restore();
  const put = new PutRequest();
  put.key = utf8("a");
  put.value = utf8("1");
  expect(store.applyPut(put, undefined).revision).toBe(2);
  put.key = utf8("b");
  expect(store.applyPut(put, undefined).revision).toBe(3);
  const out = new WireWriter();
  const r = new RangeRequest();
  r.key = utf8("a");
  r.rangeEnd = utf8("\0");
  expect(store.range(r, out)).toBe(undefined);
  const again = new Store(backend, { leases });
  again.restore();
  expect(again.currentRevision).toBe(3);
  const out2 = new WireWriter();
  again.range(r, out2);
  expect(out2.finish()).toEqual(out.finish());
});
