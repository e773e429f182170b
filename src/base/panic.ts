// A broken invariant or a failed disk means that this member can no longer trust its own state. It must stop: going
// on would turn one member's fault into the cluster's. `Panic` is the one error that nobody below the process entry
// (or the simulator, which counts it as a crash) may catch and survive.

/** Thrown when an invariant is broken or durable state cannot be trusted. Only the owner of the member catches it. */
export class Panic extends Error {
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(message: string, fields: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "Panic";
    this.fields = fields;
  }
}

/** Stops the member. Guard the call with the condition, so that `fields` is built only on failure. */
export function panic(
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): never {
  throw new Panic(message, fields, cause);
}

/** Cheap invariant without fields; use `if (...) panic(...)` where the values matter. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Panic(message);
}
