// What each figure has to reach. A target is a sentence and a test on the finished figure.

/** `relative`: a statement about the other too, so there is no verdict without it.
 *  @typedef {{text: string, relative?: boolean, met: (figure: import("./report.mjs").Figure) => boolean}} Target */

/** At least this many times as good as the other. @param {number} factor @returns {Target} */
export const atLeast = (factor) => ({
  text: `>= ${factor.toFixed(1)}x`,
  relative: true,
  met: ({ ratio }) => ratio >= factor,
});

/** No worse than the other. @type {Target} */
export const NO_WORSE = { text: "no worse", relative: true, met: ({ ratio }) => ratio >= 1 };

/** At most this part of the other's. @param {number} part @returns {Target} */
export const atMostPart = (part) => ({
  text: `<= ${part}x`,
  relative: true,
  met: ({ ours, other }) => ours <= other * part,
});

/** @param {number} limit @param {string} unit @returns {Target} */
export const atMost = (limit, unit) => ({
  text: `<= ${Number(limit.toFixed(2))} ${unit}`,
  met: ({ ours }) => ours <= limit,
});

/** @type {Target} */
export const NONE = { text: "none", met: ({ ours }) => ours === 0 };

/** Requests per second, by load and requests in flight. */
export const RATE_TARGETS = {
  "put 1": atLeast(1),
  "put 100": atLeast(2),
  "put 1000": atLeast(3),
  "range 100": atLeast(2),
  "range 1000": atLeast(2),
};

/** Processor time per request. */
export const CPU_TARGETS = {
  "put 1000": { text: "<= half", relative: true, met: ({ ratio }) => ratio >= 2 },
};

/** Resident memory with everything loaded, and the time of a restart. */
export const MEMORY_TARGET = atMostPart(0.7);
export const RESTART_TARGET = atMostPart(0.6);

/** Events delivered per second. */
export const DELIVERY_TARGET = atLeast(2);

/** Growth of resident memory while everything is read by RangeStream. */
export const SCAN_GROWTH_MIB_MAX = 100;

/** How much slower the slowest hundredth of the puts may get while the store is at work, and the longest stall. */
export const BUSY_P99_FACTOR_MAX = 2;
export const STALL_MS_MAX = 50;

/** What 100 watchers that do not read may add to resident memory, beyond what the same puts cost without them. */
export const STALLED_GROWTH_MIB_MAX = 256;
