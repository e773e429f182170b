// The process around etcdctl.

import { LineReader } from "./line-reader.js";
import { runEtcdctl } from "./run.js";

// A reader that has gone away (`etcdctl get … | head`) ends the command quietly, as SIGPIPE would.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 141 : 1));

const code = await runEtcdctl({
  streams: {
    out: (data) => void process.stdout.write(data),
    err: (text) => void process.stderr.write(text),
  },
  stdin: new LineReader(process.stdin),
  env: process.env,
  argv: process.argv.slice(2),
});
// Standard input may still be open; what has been written to a pipe or a file is out already.
process.exit(code);
