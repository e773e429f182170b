// Ids on the command line: hex.

import { parseInt64, parseUint, ValueError } from "../../flags/index.js";
import { badArgs } from "../command.js";

/** A lease id; `what` begins the refusal. */
export function parseLeaseId(text: string, what = "bad lease ID arg"): bigint {
  return refusing(what, () => parseInt64(text, 16));
}

export function parseMemberId(text: string): bigint {
  return refusing("bad member ID arg", () => parseUint(text, 16));
}

/** As above, for the one command that refuses without an explanation. */
export function parseTransfereeId(text: string): bigint {
  try {
    return parseUint(text, 16);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw badArgs(error.message);
  }
}

function refusing(what: string, parse: () => bigint): bigint {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw badArgs(`${what} (${error.message}), expecting ID in Hex`);
  }
}
