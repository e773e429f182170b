// The flags of every command.

import type { Flag } from "../flags/index.js";

const SECOND = 1e9;

export const GLOBAL_FLAGS: readonly Flag[] = [
  { name: "endpoints", type: "list", default: ["127.0.0.1:2379"], help: "gRPC endpoints" },
  { name: "debug", type: "bool", default: false, help: "enable client-side debug logging" },
  {
    name: "write-out",
    short: "w",
    type: "string",
    default: "simple",
    help: "set the output format (fields, json, protobuf, simple, table)",
  },
  { name: "hex", type: "bool", default: false, help: "print byte strings as hex encoded strings" },
  {
    name: "dial-timeout",
    type: "duration",
    default: 2 * SECOND,
    help: "dial timeout for client connections",
  },
  {
    name: "command-timeout",
    type: "duration",
    default: 5 * SECOND,
    help: "timeout for short running command (excluding dial timeout)",
  },
  {
    name: "keepalive-time",
    type: "duration",
    default: 2 * SECOND,
    help: "keepalive time for client connections",
  },
  {
    name: "keepalive-timeout",
    type: "duration",
    default: 6 * SECOND,
    help: "keepalive timeout for client connections",
  },
  {
    name: "max-request-bytes",
    type: "int",
    default: 0,
    help: "client-side request send limit in bytes (if 0, it defaults to 2.0 MiB (2 * 1024 * 1024).)",
  },
  {
    name: "max-recv-bytes",
    type: "int",
    default: 0,
    help: 'client-side response receive limit in bytes (if 0, it defaults to "math.MaxInt32")',
  },
  {
    name: "insecure-transport",
    type: "bool",
    default: true,
    help: "disable transport security for client connections",
  },
  {
    name: "insecure-discovery",
    type: "bool",
    default: true,
    help: "accept insecure SRV records describing cluster endpoints",
  },
  {
    name: "insecure-skip-tls-verify",
    type: "bool",
    default: false,
    help: "skip server certificate verification (CAUTION: this option should be enabled only for testing purposes)",
  },
  {
    name: "cert",
    type: "string",
    default: "",
    help: "identify secure client using this TLS certificate file",
  },
  { name: "key", type: "string", default: "", help: "identify secure client using this TLS key file" },
  {
    name: "cacert",
    type: "string",
    default: "",
    help: "verify certificates of TLS-enabled secure servers using this CA bundle",
  },
  {
    name: "auth-jwt-token",
    type: "string",
    default: "",
    help: "JWT token used for authentication (if this option is used, --user and --password should not be set)",
  },
  {
    name: "user",
    type: "string",
    default: "",
    help: "username[:password] for authentication (prompt if password is not supplied)",
  },
  {
    name: "password",
    type: "string",
    default: "",
    help: "password for authentication (if this option is used, --user option shouldn't include password)",
  },
  {
    name: "discovery-srv",
    short: "d",
    type: "string",
    default: "",
    help: "domain name to query for SRV records describing cluster endpoints",
  },
  {
    name: "discovery-srv-name",
    type: "string",
    default: "",
    help: "service name to query when using DNS discovery",
  },
];

/** Stands at every command without being listed. */
export const HELP_FLAG: Flag = { name: "help", short: "h", type: "bool", default: false, help: "help" };
