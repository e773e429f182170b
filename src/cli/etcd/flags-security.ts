// Flags of transport security, of the HTTP API's guards, and of authentication.

import { parseMemberUrls } from "#embed";
import { type FlagValue, splitList } from "../flags/index.js";
import { type EtcdFlag, refusing, strings, unsupported } from "./flag-row.js";

/** `*`, or a list of URLs. */
function parseOrigins(text: string): FlagValue {
  if (text === "" || text === "*") return ["*"];
  return refusing(() => parseMemberUrls(text));
}

/** A list in which repetitions count once. */
export function parseUnique(text: string): FlagValue {
  return [...new Set(splitList(text))];
}

export const SECURITY: readonly EtcdFlag[] = [
  ...unsupported("Security", "string", "", [
    ["cert-file", "Certificate for clients."],
    ["key-file", "Key of the certificate for clients."],
    ["client-cert-file", "Certificate this member shows as a client."],
    ["client-key-file", "Key of that certificate."],
    ["client-crl-file", "Revoked client certificates."],
    ["trusted-ca-file", "Certificate authorities of clients."],
    ["peer-cert-file", "Certificate for peers."],
    ["peer-key-file", "Key of the certificate for peers."],
    ["peer-client-cert-file", "Certificate this member shows to peers."],
    ["peer-client-key-file", "Key of that certificate."],
    ["peer-trusted-ca-file", "Certificate authorities of peers."],
    ["peer-crl-file", "Revoked peer certificates."],
    ["tls-max-version", "Newest TLS version."],
  ]),
  ...unsupported("Security", "string", "TLS1.2", [["tls-min-version", "Oldest TLS version."]]),
  ...unsupported("Security", "bool", false, [
    ["client-cert-auth", "Demand certificates of clients."],
    ["auto-tls", "Make certificates for clients."],
    ["peer-client-cert-auth", "Demand certificates of peers."],
    ["peer-auto-tls", "Make certificates for peers."],
    ["peer-skip-client-san-verification", "Do not compare a peer's certificate with its address."],
  ]),
  ...unsupported(
    "Security",
    "list",
    [],
    [
      ["client-cert-allowed-hostname", "Host names accepted in client certificates."],
      ["peer-cert-allowed-cn", "Common names accepted in peer certificates."],
      ["peer-cert-allowed-hostname", "Host names accepted in peer certificates."],
    ],
  ),
  {
    name: "cipher-suites",
    group: "Security",
    type: "list",
    default: [],
    help: "TLS cipher suites.",
    inFile: "list",
  },
  ...unsupported("Security", "uint", 1, [
    ["self-signed-cert-validity", "Years that made certificates are valid."],
  ]),
  {
    name: "cors",
    group: "Security",
    type: "list",
    default: ["*"],
    help: "Origins allowed to call the HTTP API; * or empty: all.",
    parse: parseOrigins,
    apply: (c, v) => {
      c.cors = strings(v);
    },
  },
  {
    name: "host-whitelist",
    group: "Security",
    type: "list",
    default: ["*"],
    help: "Host names accepted in HTTP requests; * or empty: all.",
    parse: parseUnique,
    apply: (c, v) => {
      c.hostWhitelist = strings(v);
    },
  },
];

export const AUTH: readonly EtcdFlag[] = [
  ...unsupported("Auth", "string", "simple", [["auth-token", "Kind of authentication token."]]),
  ...unsupported("Auth", "uint", 10, [["bcrypt-cost", "Cost of hashing passwords."]]),
  ...unsupported("Auth", "uint", 300, [["auth-token-ttl", "Seconds that a token is valid."]]),
];
