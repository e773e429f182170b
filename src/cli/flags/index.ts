// Flags for all commands of this package: the row, the values, Go's syntax, and the environment.

export * from "./environment.js";
export * from "./flag.js";
export * from "./go-flag-parser.js";
export * from "./go-values.js";
