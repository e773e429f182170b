// Log lines of the command-line tools, in the shape of etcd's logs; they go to stderr.

/** One line with its newline. */
export function logLine(
  level: "warn" | "fatal",
  message: string,
  fields: Readonly<Record<string, unknown>>,
): string {
  const entry = { level, ts: new Date().toISOString(), logger: "etcd-client", msg: message, ...fields };
  return `${JSON.stringify(entry)}\n`;
}
