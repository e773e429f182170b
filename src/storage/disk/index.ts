// disk: the Disk port, over real files and over memory.

export { type DiskOperation, type DiskOperationKind, type DiskPlan, MemoryDisk } from "./memory-disk.js";
export { NodeDisk } from "./node-disk.js";
