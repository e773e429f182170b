// A member's log lines, as lines of the trace.

import type { Logger } from "#base";
import type { Life } from "./life.js";
import type { World } from "./world.js";

export class TraceLogger implements Logger {
  private readonly world: World;
  private readonly life: Life;

  constructor(world: World, life: Life) {
    this.world = world;
    this.life = life;
  }

  isEnabled(): boolean {
    return true;
  }

  debug(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.say("debug", message, fields);
  }

  info(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.say("info", message, fields);
  }

  warn(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.say("warn", message, fields);
  }

  error(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.say("error", message, fields);
  }

  private say(level: string, message: string, fields?: Readonly<Record<string, unknown>>): void {
    const rest = Object.entries(fields ?? {}).map(([name, value]) => ` ${name}=${String(value)}`);
    this.world.say(() => `m${this.life.host.place} ${level}: ${message}${rest.join("")}`);
  }
}
