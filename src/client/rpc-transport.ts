// The connector that a client uses when it is given none.

import { StatusCode } from "#proto";
import { CallFailure, type Connection, type Connector } from "./transport.js";

export const defaultConnector: Connector = {
  connect(): Promise<Connection> {
    return Promise.reject(
      new CallFailure(StatusCode.Unavailable, "this build has no transport of its own", true),
    );
  },
};
