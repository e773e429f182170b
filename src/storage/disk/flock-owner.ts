// Who holds a flock(2) or fcntl lock on a file, as Linux lists it in /proc/locks. Node can neither take nor test such a
// lock, and etcd holds them on its database and its segments.
//
//   1: FLOCK  ADVISORY  WRITE 4711 fe:01:1835035 0 EOF      (number, kind, mode, access, pid, device:inode, range)

import * as fs from "node:fs";

/** The process with a lock on any of `paths`: its pid, 0 when that is not visible here, undefined when there is none. */
export async function flockOwner(paths: readonly string[]): Promise<number | undefined> {
  if (process.platform !== "linux") return undefined;
  let table: string;
  try {
    table = await fs.promises.readFile("/proc/locks", "latin1");
  } catch {
    // Some containers hide it. Then our own lock is all that there is.
    return undefined;
  }
  const owners = parseLocks(table);
  for (const path of paths) {
    const stat = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) continue;
    const pid = owners.get(`${deviceText(stat.dev)}:${stat.ino}`);
    if (pid !== undefined && pid !== process.pid) return pid;
  }
  return undefined;
}

/** "major:minor:inode" to pid. */
export function parseLocks(table: string): Map<string, number> {
  const owners = new Map<string, number>();
  for (const line of table.split("\n")) {
    const match = /^\d+: +(?:FLOCK|POSIX|OFDLCK) +\S+ +\S+ +(-?\d+) +([0-9a-f]+:[0-9a-f]+:\d+) /.exec(line);
    if (match !== null) owners.set(match[2], Math.max(0, Number(match[1])));
  }
  return owners;
}

/** A device number as /proc/locks writes it: major and minor in two hex digits or more. */
function deviceText(device: bigint): string {
  const major = Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n));
  const minor = Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n));
  return `${major.toString(16).padStart(2, "0")}:${minor.toString(16).padStart(2, "0")}`;
}
