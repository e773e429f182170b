// Directories that outlive a power failure: making one is durable only once the directory that it stands in was synced.

import type { Disk } from "#base";

export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : slash === 0 ? "/" : path.slice(0, slash);
}

/** Makes the directory and its missing parents (0700), durably. What is there already is left as it is. */
export async function makeDurableDirectory(disk: Disk, path: string): Promise<void> {
  const missing: string[] = [];
  for (let at = path; (await disk.stat(at)) === undefined; at = parentOf(at)) missing.push(at);
  if (missing.length === 0) return;
  await disk.makeDirectory(path, 0o700);
  for (const made of missing.reverse()) await disk.syncDirectory(parentOf(made));
}
