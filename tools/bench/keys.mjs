// The keys of the scale section, and how they are written: distinct keys of a fixed length in an order that is not
// their own, each put a request of its own, many in flight.

import { PUT, putRequest } from "./messages.mjs";

const KEY_BYTES = 40;
const VALUE_BYTES = 256;
const CONNECTIONS = 10;
const STREAMS_PER_CONNECTION = 100;
/** A stride that is prime, so that it visits each number below `count` once. */
const STRIDE = 514_229;
const DIGITS = 8;

export const ALL_KEYS = Buffer.from("bench/");

/** The key with this number: sorted as the numbers are. */
export function numberedKey(number) {
  return Buffer.from(`bench/${String(number).padStart(DIGITS, "0")}`.padEnd(KEY_BYTES, "/"));
}

/** A prefix that 10 000 keys have (all keys below that many). */
export function prefixOf10000(number) {
  return Buffer.from(
    `bench/${String(number)
      .padStart(DIGITS, "0")
      .slice(0, DIGITS - 4)}`,
  );
}

/** The number of the i-th key written, of `count`. */
export function shuffled(i, count) {
  return Number((BigInt(i) * BigInt(STRIDE)) % BigInt(count));
}

/** A put of that key with a value that differs from round to round. */
export function numberedPut(number, round) {
  return putRequest(numberedKey(number), Buffer.alloc(VALUE_BYTES, `${round}-${number}-`));
}

/** Sends the puts that `request(i)` makes for i below `count`, as fast as they are answered with this many in flight.
 *  Resolves with the seconds it took. */
export async function putMany(endpoint, count, request, inFlight = CONNECTIONS * STREAMS_PER_CONNECTION) {
  const connections = Math.min(CONNECTIONS, inFlight);
  const clients = await Promise.all(Array.from({ length: connections }, () => endpoint.dial()));
  const began = performance.now();
  try {
    await new Promise((resolve, reject) => {
      const state = { next: 0, done: 0 };
      const observe = (client) => {
        const observer = {
          onMessage() {},
          onEnd(error) {
            if (error !== undefined) return reject(error);
            state.done++;
            if (state.next < count) client.call(PUT, request(state.next++), observer);
            else if (state.done === count) resolve();
          },
        };
        return observer;
      };
      const observers = clients.map(observe);
      for (let i = 0; i < inFlight && state.next < count; i++)
        clients[i % connections].call(PUT, request(state.next++), observers[i % connections]);
    });
  } finally {
    for (const client of clients) client.close();
  }
  return (performance.now() - began) / 1000;
}
