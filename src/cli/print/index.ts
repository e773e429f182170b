// Printers: five formats for the answers of etcdctl's commands.

import { FieldsPrinter } from "./fields.js";
import { JsonPrinter } from "./json.js";
import type { Printer } from "./output.js";
import { ProtobufPrinter } from "./protobuf.js";
import { SimplePrinter } from "./simple.js";
import { TablePrinter } from "./tables.js";

export * from "./go-format.js";
export * from "./output.js";
export { SimplePrinter } from "./simple.js";

/** The printer of that name, or undefined when there is none. */
export function printerFor(format: string, hex: boolean): Printer | undefined {
  switch (format) {
    case "simple":
      return new SimplePrinter(hex);
    case "fields":
      return new FieldsPrinter(hex);
    case "json":
      return new JsonPrinter(hex);
    case "protobuf":
      return new ProtobufPrinter();
    case "table":
      return new TablePrinter();
    default:
      return undefined;
  }
}
