// Why a log was refused. Starting on a damaged log would let a member forget votes and acknowledged entries, so there is
// no way around a refusal but the remedies in its text. The messages start with etcd's words where etcd has any.

export type WalErrorKind =
  | "not-found"
  | "exists"
  | "corrupt"
  | "metadata-conflict"
  | "snapshot-not-found"
  | "snapshot-mismatch";

export interface WalErrorPlace {
  readonly file: string;
  /** Byte offset of the record in the file, where one record is to blame. */
  readonly offset?: number;
  readonly cause: string;
}

const REMEDY =
  "the log of this member cannot be trusted: in a cluster remove the member and add it again with an empty data directory, a single member is restored from a snapshot (etcdutl snapshot restore)";

/** Thrown when a log cannot be opened as it is. */
export class WalError extends Error {
  override readonly name = "WalError";
  readonly kind: WalErrorKind;
  readonly place: WalErrorPlace;

  constructor(kind: WalErrorKind, what: string, place: WalErrorPlace) {
    const at = place.offset === undefined ? "" : ` at position: ${place.offset}`;
    super(`${what}: in file '${place.file}'${at}: ${place.cause}; ${REMEDY}`);
    this.kind = kind;
    this.place = place;
  }
}
