// grpc-timeout (gRPC over HTTP/2, "Requests"): at most eight digits and a unit.

const UNIT_MS: Readonly<Record<string, number>> = { n: 1e-6, u: 1e-3, m: 1, S: 1e3, M: 6e4, H: 3.6e6 };
/** Go keeps durations as int64 nanoseconds; longer timeouts are cut to that. */
const TIMEOUT_MS_MAX = 9_223_372_036_854.775;

/** Milliseconds, or a text that says what is wrong with it (Go's words). */
export function parseTimeout(text: string): number | string {
  if (text.length < 2) return `transport: timeout string is too short: ${JSON.stringify(text)}`;
  if (text.length > 9) return `transport: timeout string is too long: ${JSON.stringify(text)}`;
  const unit = UNIT_MS[text[text.length - 1]];
  if (unit === undefined) return `transport: timeout unit is not recognized: ${JSON.stringify(text)}`;
  const digits = text.slice(0, -1);
  if (!/^[0-9]+$/.test(digits)) return `strconv.ParseUint: parsing ${JSON.stringify(digits)}: invalid syntax`;
  return Math.min(Number(digits) * unit, TIMEOUT_MS_MAX);
}

/** The header for a timeout in milliseconds, rounded up so that the server is never the stricter side. */
export function formatTimeout(ms: number): string {
  if (ms <= 0) return "0m";
  if (ms < 1e5) return `${Math.ceil(ms * 1e3)}u`;
  if (ms < 1e8) return `${Math.ceil(ms)}m`;
  if (ms < 1e11) return `${Math.ceil(ms / 1e3)}S`;
  return `${Math.min(Math.ceil(ms / 3.6e6), 99_999_999)}H`;
}
