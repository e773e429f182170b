// support: members under test and the client that talks to them, for every suite in test/.

export * from "./client.js";
export * from "./member.js";
export * from "./ports.js";
export * from "./services.js";
export * from "./targets.js";
