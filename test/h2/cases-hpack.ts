// RFC 7541: header blocks that cannot be decoded. All are connection errors: the tables of both sides have parted.

import { type Case, COMPRESSION_ERROR, connectionError } from "./case.js";
import { block, END_HEADERS, frame, HEADERS, hpackInteger, requestFields } from "./raw-client.js";

function broken(section: string, title: string, bytes: Buffer): Case {
  return {
    section,
    title,
    steps: [frame(HEADERS, END_HEADERS, 1, Buffer.concat([block(requestFields()), bytes]))],
    expect: connectionError(COMPRESSION_ERROR),
  };
}

/** A literal named "x" with a Huffman-coded value. */
function huffmanValue(...bytes: number[]): Buffer {
  return Buffer.from([0x00, 0x01, 0x78, 0x80 | bytes.length, ...bytes]);
}

export const HPACK_CASES: Case[] = [
  broken("7541 2.3.3", "an indexed field beyond the table", hpackInteger(7, 0x80, 70)),
  broken(
    "7541 2.3.3",
    "a literal whose name is beyond the table",
    Buffer.concat([hpackInteger(6, 0x40, 70), Buffer.from([0x01, 0x78])]),
  ),
  broken("7541 4.2", "a size update at the end of a block", hpackInteger(5, 0x20, 100)),
  // "a" is 00011; what follows are ones: 11 bits of them are too many.
  broken("7541 5.2", "Huffman padding longer than 7 bits", huffmanValue(0x1f, 0xff)),
  broken("7541 5.2", "Huffman padding with zeros", huffmanValue(0x18)),
  broken("7541 5.2", "the Huffman code of end-of-string", huffmanValue(0xff, 0xff, 0xff, 0xff)),
  broken("7541 6.1", "index 0", Buffer.from([0x80])),
  {
    section: "7541 6.3",
    title: "a table larger than SETTINGS_HEADER_TABLE_SIZE",
    steps: [
      frame(HEADERS, END_HEADERS, 1, Buffer.concat([hpackInteger(5, 0x20, 4097), block(requestFields())])),
    ],
    expect: connectionError(COMPRESSION_ERROR),
  },
];

/** Cases of our own, beyond the common list. */
export const EXTRA_HPACK_CASES: Case[] = [
  broken(
    "7541 5.1",
    "an integer without end",
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
  ),
  broken("7541 5.1", "an integer that is cut off", Buffer.from([0xff, 0x80])),
  broken("7541 5.2", "a string that is cut off", Buffer.from([0x00, 0x01, 0x78, 0x7f])),
  broken(
    "7541 5.2",
    "a string longer than anything",
    Buffer.from([0x00, 0x01, 0x78, 0x7f, 0xff, 0xff, 0xff, 0x7f]),
  ),
];
