// Every flag of the `etcd` command, a row each: how it is read, what it does to the configuration, and what the help says.
// A row without `apply` belongs to a function that this version does not have: any value but the default is refused by
// name, because starting without what was asked for (transport security, say) would be worse than not starting.

import type { EtcdFlag } from "./flag-row.js";
import { CLUSTERING } from "./flags-clustering.js";
import { MEMBER } from "./flags-member.js";
import { FEATURES, IGNORED, META, OBSERVABILITY, UNSAFE } from "./flags-operations.js";
import { AUTH, SECURITY } from "./flags-security.js";

export const ETCD_FLAGS: readonly EtcdFlag[] = [
  ...MEMBER,
  ...CLUSTERING,
  ...SECURITY,
  ...AUTH,
  ...OBSERVABILITY,
  ...FEATURES,
  ...UNSAFE,
  ...META,
  ...IGNORED,
];
