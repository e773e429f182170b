// Free TCP ports on the loopback for members under test. Every port handed out was bound once to show that it is free;
// ports are taken from one range, starting at a place that depends on the process, so that test processes running side
// by side seldom meet. The window between probing and use remains; a member that loses that race fails to start and
// the test says so.

import { createServer } from "node:net";

const FIRST = Number(process.env.TEST_PORT_FIRST ?? 26000);
const LAST = Number(process.env.TEST_PORT_LAST ?? 27999);

let next = FIRST + ((process.pid * 37) % (LAST - FIRST));

/** A port on 127.0.0.1 that nothing listens on now and that this process has not handed out lately. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries <= LAST - FIRST; tries++) {
    const port = next;
    next = next === LAST ? FIRST : next + 1;
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port between ${FIRST} and ${LAST}`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
