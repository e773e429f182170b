// Lines on stdout, for tools that people pipe into `head`: when nobody reads any more, the tool ends, without a word and
// without going through the rest of a large file.

process.stdout.on("error", endIfUnread);

export function print(line) {
  console.log(line);
  // The event comes only once the caller lets go of the thread, and a walk over a file does not.
  if (process.stdout.errored) endIfUnread(process.stdout.errored);
}

function endIfUnread(error) {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
}
