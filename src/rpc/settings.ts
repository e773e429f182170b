// SETTINGS (RFC 9113 §6.5): checks the peer's values and hands them to the connection. Unknown settings are ignored.

import type { Http2Connection } from "./connection.js";
import {
  ErrorCode,
  FRAME_BYTES_MAX,
  FRAME_BYTES_MIN,
  readUint32,
  SETTING_ENABLE_PUSH,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_FRAME_SIZE,
  WINDOW_BYTES_MAX,
} from "./protocol.js";

export interface SettingsFault {
  readonly code: ErrorCode;
  readonly text: string;
}

const BAD_PUSH: SettingsFault = { code: ErrorCode.ProtocolError, text: "ENABLE_PUSH is neither 0 nor 1" };
const BAD_WINDOW: SettingsFault = {
  code: ErrorCode.FlowControlError,
  text: "INITIAL_WINDOW_SIZE is too large",
};
const BAD_FRAME_SIZE: SettingsFault = {
  code: ErrorCode.ProtocolError,
  text: "MAX_FRAME_SIZE is out of range",
};
const OVERFLOW: SettingsFault = { code: ErrorCode.FlowControlError, text: "a stream's window overflows" };

/** Applies `buf[start, end)`, a multiple of six bytes, in order. A fault is a connection error. */
export function applySettings(
  connection: Http2Connection,
  buf: Buffer,
  start: number,
  end: number,
): SettingsFault | undefined {
  for (let pos = start; pos < end; pos += 6) {
    const id = (buf[pos] << 8) | buf[pos + 1];
    const value = readUint32(buf, pos + 2);
    switch (id) {
      case SETTING_ENABLE_PUSH:
        if (value > 1) return BAD_PUSH;
        break;
      case SETTING_INITIAL_WINDOW_SIZE:
        if (value > WINDOW_BYTES_MAX) return BAD_WINDOW;
        if (!connection.setInitialWindow(value)) return OVERFLOW;
        break;
      case SETTING_MAX_FRAME_SIZE:
        // We never send more than the minimum, so the value only has to be a legal one.
        if (value < FRAME_BYTES_MIN || value > FRAME_BYTES_MAX) return BAD_FRAME_SIZE;
        break;
      default:
        connection.onPeerSetting(id, value);
    }
  }
  return undefined;
}
