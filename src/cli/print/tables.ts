// Answers as rows of cells: the simple format joins the cells with commas, the table format draws boxes.

import Table from "cli-table3";
import { hexId, humanSize } from "./go-format.js";
import { type Output, type OutputOf, type Printer, type Streams, UnsupportedOutput } from "./output.js";

export interface Cells {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function memberCells({ response }: OutputOf<"member list">): Cells {
  return {
    header: ["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"],
    rows: response.members.map((member) => [
      hexId(member.ID),
      member.name === "" ? "unstarted" : "started",
      member.name,
      member.peerURLs.join(","),
      member.clientURLs.join(","),
      String(member.isLearner),
    ]),
  };
}

export function healthCells({ endpoints }: OutputOf<"endpoint health">): Cells {
  return {
    header: ["endpoint", "health", "took", "error"],
    rows: endpoints.map((one) => [one.endpoint, String(one.health), one.took, one.error]),
  };
}

export function statusCells({ endpoints }: OutputOf<"endpoint status">): Cells {
  return {
    header: [
      ...[
        "endpoint",
        "ID",
        "version",
        "storage version",
        "db size",
        "in use",
        "percentage not in use",
        "quota",
      ],
      ...["is leader", "is learner", "raft term", "raft index", "raft applied index", "errors"],
      ...["downgrade target version", "downgrade enabled"],
    ],
    rows: endpoints.map(({ endpoint, response: r }) => [
      endpoint,
      hexId(r.header?.memberId ?? 0n),
      r.version,
      r.storageVersion,
      humanSize(r.dbSize),
      humanSize(r.dbSizeInUse),
      `${r.dbSize === 0n ? 0n : 100n - (r.dbSizeInUse * 100n) / r.dbSize}%`,
      humanSize(r.dbSizeQuota),
      String(r.leader === r.header?.memberId),
      String(r.isLearner),
      String(r.raftTerm),
      String(r.raftIndex),
      String(r.raftAppliedIndex),
      r.errors.join(", "),
      r.downgradeInfo?.targetVersion ?? "",
      String(r.downgradeInfo?.enabled ?? false),
    ]),
  };
}

export function hashCells({ endpoints }: OutputOf<"endpoint hashkv">): Cells {
  return {
    header: ["endpoint", "hash", "hash_revision"],
    rows: endpoints.map(({ endpoint, response }) => [
      endpoint,
      String(response.hash),
      String(response.hashRevision),
    ]),
  };
}

export class TablePrinter implements Printer {
  print(output: Output, streams: Streams): void {
    streams.out(draw(cellsOf(output)));
  }
}

function cellsOf(output: Output): Cells {
  switch (output.kind) {
    case "member list":
      return memberCells(output);
    case "endpoint health":
      return healthCells(output);
    case "endpoint status":
      return statusCells(output);
    case "endpoint hashkv":
      return hashCells(output);
    default:
      throw new UnsupportedOutput("table not supported as output format");
  }
}

/** A light box: headers in capitals and centred, cells to the right. */
export function draw(cells: Cells): string {
  const table = new Table({
    head: [],
    style: { head: [], border: [], compact: true },
    colAligns: cells.header.map(() => "right"),
  });
  const title = (text: string): string => text.toUpperCase().replaceAll("_", " ");
  const header = cells.header.map((text) => ({ content: title(text), hAlign: "center" as const }));
  table.push(header, ...cells.rows.map((row) => [...row]));
  const lines = table.toString().split("\n");
  // cli-table3 rules off the header only when it makes the header itself, and then it cannot centre it.
  const rule = lines[0].replaceAll("┬", "┼").replace("┌", "├").replace("┐", "┤");
  lines.splice(2, 0, rule);
  return `${lines.join("\n")}\n`;
}
