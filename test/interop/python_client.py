"""Exercises the Python package etcd3 against HOST PORT. Prints one line for each step; the test compares them."""
import sys
import threading

import etcd3

client = etcd3.client(host=sys.argv[1], port=int(sys.argv[2]), timeout=10)


def step(name, value):
    print(f"{name}: {value!r}", flush=True)


client.put("a", "1")
step("get", client.get("a")[0])
step("get nothing", client.get("nothing")[0])
step("put if absent", client.put_if_not_exists("a", "2"))
step("replace", client.replace("a", "1", "3"))
step("get again", client.get("a")[0])

for i in range(3):
    client.put(f"p/{i}", str(i))
step("prefix", [(meta.key, value) for value, meta in client.get_prefix("p/")])
step("descending", [value for value, _ in client.get_prefix("p/", sort_order="descend", sort_target="key")])
step("keys only", [value for value, _ in client.get_prefix("p/", keys_only=True)])
step("range", [value for value, _ in client.get_range("p/0", "p/2")])
step("delete", client.delete("p/0"))
step("delete again", client.delete("p/0"))
step("delete prefix", client.delete_prefix("p/").deleted)

tx = client.transactions
step("transaction", client.transaction(
    compare=[tx.value("a") == "3", tx.version("a") > 0, tx.create("nothing") == 0],
    success=[tx.put("t", "yes"), tx.get("a")],
    failure=[tx.put("t", "no")])[0])
step("transaction wrote", client.get("t")[0])
step("failed transaction", client.transaction(
    compare=[tx.mod("a") == 1], success=[tx.delete("a")], failure=[tx.get("a")])[0])

lease = client.lease(60)
client.put("leased", "1", lease=lease)
step("lease keys", lease.keys)
step("lease granted", lease.granted_ttl)
step("lease left", 55 < lease.remaining_ttl <= 60)
step("lease refreshed", [response.TTL for response in lease.refresh()])
lease.revoke()
step("leased after revoke", client.get("leased")[0])

events, cancel = client.watch_prefix("w/")
seen = []
def collect():
    for event in events:
        seen.append((type(event).__name__, event.key, event.value))
        if len(seen) == 3:
            cancel()
            return
thread = threading.Thread(target=collect)
thread.start()
client.put("w/1", "one")
client.put("w/1", "two")
client.delete("w/1")
thread.join(10)
step("watch", seen)

with client.lock("mutex", ttl=20) as lock:
    step("locked", lock.is_acquired())
step("unlocked", lock.is_acquired())

step("status", client.status().leader.name)
step("members", [member.name for member in client.members])
step("alarms", list(client.list_alarms()))
revision = client.put("c", "1").header.revision
client.compact(revision)
step("hash", client.hash() > 0)
client.defragment()
with open("/dev/null", "wb") as sink:
    client.snapshot(sink)
step("snapshot", "ok")

try:
    client.put("x", "1", lease=404)
except Exception as error:
    step("error", str(error.details() if hasattr(error, "details") else error))
