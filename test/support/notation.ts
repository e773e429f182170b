// The notation in which scenarios write messages: JSON made short. Names and simple words need no quotes; bytes are
// strings in which each character is one byte (`\x00` works); `x * 5` repeats a string inside a value, or an element of
// a list (and then `%i` in its strings is the index of the copy).
//
//   {key: a, range_end: "\x00", filters: [NOPUT], value: "x" * 1000, success: [{request_put: {key: "k%i"}} * 3]}
//
// Values are kept as text; what a text means (number, bytes, relative revision) is decided by the field it is given to.

export type Value = TextValue | ListValue | ObjectValue;
export interface TextValue {
  readonly kind: "text";
  readonly text: string;
}
export interface ListValue {
  readonly kind: "list";
  readonly items: readonly Value[];
}
export interface ObjectValue {
  readonly kind: "object";
  readonly entries: readonly (readonly [string, Value])[];
}

/** Parses all of `source`; throws with the position when it is not in the notation. */
export function parseValue(source: string): Value {
  const parser = new Parser(source);
  const value = parser.value();
  parser.end();
  return value;
}

/** Parses the value at the start of `source` and also returns what follows it. */
export function parsePrefix(source: string): { value: Value; rest: string } {
  const parser = new Parser(source);
  const value = parser.value();
  return { value, rest: parser.rest() };
}

const WORD = /[\w.+\-/#@:$]+/y;
const SPACE = /\s*/y;

class Parser {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  rest(): string {
    return this.#source.slice(this.#at).trim();
  }

  end(): void {
    if (this.rest() !== "") this.#fail("end of text");
  }

  value(): Value {
    this.#space();
    const c = this.#source[this.#at];
    if (c === "{") return this.#object();
    if (c === "[") return this.#list();
    const text = c === '"' ? this.#quoted() : this.#word();
    const times = this.#times();
    return { kind: "text", text: times === 1 ? text : text.repeat(times) };
  }

  #object(): ObjectValue {
    const entries: [string, Value][] = [];
    this.#take("{");
    while (!this.#takes("}")) {
      this.#space();
      const name = this.#source[this.#at] === '"' ? this.#quoted() : this.#match(/[\w$]+/y, "a name");
      this.#take(":");
      entries.push([name, this.value()]);
      if (!this.#takes(",")) {
        this.#take("}");
        break;
      }
    }
    return { kind: "object", entries };
  }

  #list(): ListValue {
    const items: Value[] = [];
    this.#take("[");
    while (!this.#takes("]")) {
      const item = this.value();
      const times = this.#times();
      if (times === 1) items.push(item);
      else for (let i = 0; i < times; i++) items.push(numbered(item, i));
      if (!this.#takes(",")) {
        this.#take("]");
        break;
      }
    }
    return { kind: "list", items };
  }

  #times(): number {
    return this.#takes("*") ? Number(this.#match(/\s*\d+/y, "a count")) : 1;
  }

  #word(): string {
    return this.#match(WORD, "a value");
  }

  #quoted(): string {
    const literal = this.#match(/"(?:[^"\\]|\\.)*"/y, "a string");
    return literal
      .slice(1, -1)
      .replace(/\\(x[0-9a-f]{2}|.)/gi, (_, code: string) =>
        code.length === 3 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (ESCAPES[code] ?? code),
      );
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    SPACE.exec(this.#source);
    this.#at = SPACE.lastIndex;
  }

  #takes(c: string): boolean {
    this.#space();
    if (this.#source[this.#at] !== c) return false;
    this.#at++;
    return true;
  }

  #take(c: string): void {
    if (!this.#takes(c)) this.#fail(`"${c}"`);
  }

  #match(pattern: RegExp, what: string): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found === null) this.#fail(what);
    this.#at = pattern.lastIndex;
    return found![0];
  }

  #fail(expected: string): never {
    throw new Error(`expected ${expected} at ${this.#at} of: ${this.#source}`);
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0" };

function numbered(value: Value, index: number): Value {
  switch (value.kind) {
    case "text":
      return { kind: "text", text: value.text.replaceAll("%i", String(index)) };
    case "list":
      return { kind: "list", items: value.items.map((item) => numbered(item, index)) };
    case "object":
      return {
        kind: "object",
        entries: value.entries.map(([name, field]) => [name, numbered(field, index)]),
      };
  }
}

/** The entries of an object whose values are all texts, as for metadata and headers. */
export function textEntries(value: Value): [string, string][] {
  if (value.kind !== "object") throw new Error("an object is needed");
  return value.entries.map(([name, field]) => {
    if (field.kind !== "text") throw new Error(`${name}: a text is needed`);
    return [name, field.text];
  });
}

/** How bytes and strings are written: bare when that is unambiguous, otherwise quoted; long runs as a repetition. */
export function quote(text: string): string {
  if (text.length > 40 && text === text[0].repeat(text.length)) return `${quote(text[0])} * ${text.length}`;
  if (text.length > 200) return `(${text.length} bytes)`;
  const body = text.replace(/[\\"]|[^\x20-\x7e]/g, (c) => {
    if (c === "\n") return "\\n";
    if (c === "\\" || c === '"') return `\\${c}`;
    return `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${body}"`;
}
