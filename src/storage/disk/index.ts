// disk: the Disk port, over real files and over memory.

export { NodeDisk } from "./node-disk.js";
