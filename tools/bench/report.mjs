// What the bench has found: rows of figures with a verdict each, printed as they come, kept as JSON, and as a Markdown
// table for the documents. A ratio is always such that above 1 means that ours is better, whatever the unit.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { dirname } from "node:path";

/**
 * @typedef {object} Figure
 * @property {string} section
 * @property {string} name
 * @property {string} unit
 * @property {"higher" | "lower"} better
 * @property {number} ours
 * @property {number} other NaN when there is nothing to compare with
 * @property {number} ratio above 1: ours is better
 * @property {string} target in words; empty when the figure is only reported
 * @property {"PASS" | "FAIL" | ""} verdict
 * @property {string} note
 * @property {object} [raw] what the figure was made from
 */

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value at or below which `share` of the sorted values lie. */
export function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export const MEBIBYTE = 1024 * 1024;

export class Report {
  /** @param {object} about command, options, versions: kept with the figures */
  constructor(about) {
    this.about = { ...about, machine: machine(), started: new Date().toISOString() };
    /** @type {Figure[]} */
    this.figures = [];
    this.section = "";
  }

  begin(section) {
    this.section = section;
    console.log(`\n${section}`);
    console.log(`${pad("", 50)}${left("ours", 12)}${left("other", 12)}${left("ratio", 8)}  target`);
  }

  /** Adds a row. `target` is one of targets.mjs; its verdict is about ours alone. */
  add({ name, unit, better = "higher", ours, other = Number.NaN, target, note = "", raw }) {
    const ratio = better === "higher" ? ours / other : other / ours;
    const figure = {
      section: this.section,
      name,
      unit,
      better,
      ours,
      other,
      ratio,
      target: "",
      verdict: "",
      note,
      raw,
    };
    if (target !== undefined) {
      figure.target = target.text;
      if (!target.relative || Number.isFinite(other)) figure.verdict = target.met(figure) ? "PASS" : "FAIL";
    }
    this.figures.push(figure);
    const label = pad(`${name}, ${unit}`, 50);
    const numbers = `${left(number(ours), 12)}${left(number(other), 12)}${left(number(ratio, 2), 8)}`;
    const verdict = figure.verdict === "" ? "" : `  ${figure.target}  ${figure.verdict}`;
    console.log(`${label}${numbers}${verdict}${note === "" ? "" : `  (${note})`}`);
  }

  get failed() {
    return this.figures.filter((figure) => figure.verdict === "FAIL");
  }

  writeJson(path) {
    mkdirSync(dirname(path), { recursive: true });
    const { about, figures } = this;
    writeFileSync(
      path,
      `${JSON.stringify({ ...about, finished: new Date().toISOString(), figures }, null, 1)}\n`,
    );
  }

  /** Puts the figures at the end of a document, under the heading "Figures"; what is above it stays as it is. */
  writeMarkdown(path) {
    const text = existsSync(path) ? readFileSync(path, "utf8") : "# Benchmarks\n";
    const at = text.search(/^## Figures$/m);
    const above = (at < 0 ? text : text.slice(0, at)).trimEnd();
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${above}\n\n## Figures\n\n${this.markdown()}`);
  }

  markdown() {
    const { machine: m, command, versions, started } = this.about;
    const lines = [
      `Measured on ${started.slice(0, 10)} with \`${command}\`.`,
      "",
      `- machine: ${m.processor}, ${m.cores} cores, ${m.memoryGiB} GiB, ${m.kernel}; Node ${m.node}`,
      `- ours: ${versions.ours}`,
      `- other: ${versions.other}`,
    ];
    for (const section of new Set(this.figures.map((figure) => figure.section))) {
      lines.push(
        "",
        `### ${section}`,
        "",
        "| figure | ours | other | ratio | target | |",
        "|---|--:|--:|--:|---|---|",
      );
      for (const figure of this.figures) {
        if (figure.section !== section) continue;
        const { name, unit, ours, other, ratio, target, verdict, note } = figure;
        const label = `${name}, ${unit}${note === "" ? "" : ` (${note})`}`;
        lines.push(
          `| ${label} | ${number(ours)} | ${number(other)} | ${number(ratio, 2)} | ${target} | ${verdict} |`,
        );
      }
    }
    return `${lines.join("\n")}\n`;
  }
}

function machine() {
  return {
    processor: cpus()[0].model.trim(),
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: `Linux ${release()}`,
    node: process.version,
  };
}

/** The commit that is measured, or an empty string outside a checkout. */
export function commit(folder) {
  try {
    return execFileSync("git", ["-C", folder, "describe", "--always", "--dirty"], {
      encoding: "utf8",
    }).trim();
  } catch {
    return ""; // an unpacked package has no history
  }
}

function number(value, digits) {
  if (!Number.isFinite(value)) return "-";
  if (digits !== undefined) return value.toFixed(digits);
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return String(Math.round(value));
  return value.toFixed(Math.abs(value) >= 100 ? 1 : 2);
}

const pad = (text, width) => text.padEnd(width);
const left = (text, width) => text.padStart(width);
