// Free TCP ports on the loopback for members under test. Every port handed out was bound once to show that it is free.
// Each of vitest's workers has a slice of the range to itself, so that test files running side by side never take a port
// between another's probing and use; within its slice a worker starts where its process id says.

import { createServer } from "node:net";

const FIRST = Number(process.env.TEST_PORT_FIRST ?? 26000);
const LAST = Number(process.env.TEST_PORT_LAST ?? 27999);

const SLICES = 8;
const WIDTH = Math.floor((LAST - FIRST + 1) / SLICES);
const SLICE_FIRST = FIRST + (Number(process.env.VITEST_POOL_ID ?? 0) % SLICES) * WIDTH;
const SLICE_LAST = SLICE_FIRST + WIDTH - 1;

let next = SLICE_FIRST + ((process.pid * 37) % WIDTH);

/** A port on 127.0.0.1 that nothing listens on now and that this process has not handed out lately. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < WIDTH; tries++) {
    const port = next;
    next = next === SLICE_LAST ? SLICE_FIRST : next + 1;
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port between ${SLICE_FIRST} and ${SLICE_LAST}`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
