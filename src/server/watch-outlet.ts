// Where the watch hub says that a stream has output. Whoever serves watch streams plugs in here; until then nobody can
// have one.

import type { WatchStream } from "#mvcc";

export class WatchOutlet {
  onReady: (stream: WatchStream) => void = () => {};
}
