export * from "./backend/backend.js";
export { UnknownContentError } from "./backend/exchange.js";
export { type DatabaseFile, openDatabaseFile } from "./backend/inspect.js";
export { LmdbBackend, type LmdbBackendOptions } from "./backend/lmdb-backend.js";
export { MemoryBackend } from "./backend/memory-backend.js";
export { FileSource } from "./bbolt/file-source.js";
export { CorruptImageError, hasTrailer, TRAILER_BYTES } from "./bbolt/format.js";
export {
  BytesSource,
  type ImageBucket,
  ImageReader,
  type ImageSource,
  type ImageVisitor,
} from "./bbolt/image-reader.js";
export { ImageWriter } from "./bbolt/image-writer.js";
export { type ImagePlan, ImagePlanner } from "./bbolt/plan.js";
export { type ImageStatus, imageStatus } from "./bbolt/status.js";
export * from "./datadir.js";
export * from "./disk/index.js";
export * from "./snap/index.js";
export * from "./wal/index.js";
