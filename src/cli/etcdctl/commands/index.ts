// The tree of commands, in etcdctl's order.

import type { CommandSpec } from "../command.js";
import { optionsText } from "../help.js";
import { ALARM } from "./alarm.js";
import { CHECK } from "./check-perf.js";
import { COMPACTION } from "./compaction.js";
import { DEFRAG } from "./defrag.js";
import { DEL } from "./del.js";
import { ENDPOINT } from "./endpoint.js";
import { GET } from "./get.js";
import { LEASE } from "./lease.js";
import { MEMBER } from "./member.js";
import { MOVE_LEADER } from "./move-leader.js";
import { PUT } from "./put.js";
import { SNAPSHOT } from "./snapshot.js";
import { TXN } from "./txn.js";
import { WATCH } from "./watch.js";

/** The version of etcdctl whose behaviour this is. */
const VERSION = "3.7.1";
const API_VERSION = "3.7";

const VERSION_COMMAND: CommandSpec = {
  name: "version",
  use: "version",
  short: "Prints the version of etcdctl",
  group: "Utility commands",
  run: async (context) => {
    context.streams.out(`etcdctl version: ${VERSION}\nAPI version: ${API_VERSION}\n`);
    return undefined;
  },
};

const OPTIONS: CommandSpec = {
  name: "options",
  use: "options",
  short: "Show the global command-line flags",
  group: "Utility commands",
  run: async (context) => {
    context.streams.out(optionsText());
    return undefined;
  },
};

/** Answered before anything is run. */
const HELP: CommandSpec = {
  name: "help",
  use: "help [command]",
  short: "Help about any command",
  group: "Utility commands",
};

export const ROOT: CommandSpec = {
  name: "etcdctl",
  use: "etcdctl",
  short: "A simple command line client for etcd3.",
  children: [
    GET,
    PUT,
    DEL,
    TXN,
    COMPACTION,
    ALARM,
    DEFRAG,
    ENDPOINT,
    MOVE_LEADER,
    WATCH,
    VERSION_COMMAND,
    LEASE,
    MEMBER,
    SNAPSHOT,
    CHECK,
    OPTIONS,
    HELP,
  ],
};
