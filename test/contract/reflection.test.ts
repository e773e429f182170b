// Server reflection, which etcd does not have: tools that know no schema find out what is served. Both versions of the
// protocol, which are the same but for the package.

import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServerReflection } from "../../src/proto/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../src/proto/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { newMember, selectedTargets, type Target, TestClient } from "../support/index.js";

type Question =
  | { case: "listServices"; value: string }
  | { case: "fileByFilename"; value: string }
  | { case: "fileContainingSymbol"; value: string };

const SERVED = [
  "etcdserverpb.Cluster",
  "etcdserverpb.KV",
  "etcdserverpb.Lease",
  "etcdserverpb.Maintenance",
  "etcdserverpb.Watch",
  "grpc.health.v1.Health",
];
const NOT_FOUND = 5;

describe.skipIf(!selectedTargets().includes("process"))("reflection", () => {
  let member: Target;
  let client: TestClient;

  beforeAll(async () => {
    member = newMember("process");
    await member.start();
    client = new TestClient(member.endpoint);
  });
  afterAll(async () => {
    client?.close();
    await member?.destroy();
  });

  const versions = [
    ["v1", (request: Question) => ask(client.bidi(ServerReflection.method.serverReflectionInfo), request)],
    [
      "v1alpha",
      (request: Question) => ask(client.bidi(ServerReflectionAlpha.method.serverReflectionInfo), request),
    ],
  ] as const;

  for (const [version, question] of versions) {
    test(`${version}: the services`, async () => {
      const { messageResponse } = await question({ case: "listServices", value: "" });
      expect(messageResponse.case).toBe("listServicesResponse");
      if (messageResponse.case !== "listServicesResponse") return;
      const names = messageResponse.value.service.map((service) => service.name);
      expect(names).toEqual(expect.arrayContaining(SERVED));
    });

    test(`${version}: the file of each service describes it`, async () => {
      for (const name of SERVED) {
        const { messageResponse } = await question({ case: "fileContainingSymbol", value: name });
        const files = filesOf(messageResponse);
        const services = files.flatMap((file) =>
          file.service.map((service) => `${file.package}.${service.name}`),
        );
        expect(services).toContain(name);
      }
    });

    test(`${version}: a file by its name, and one that is not there`, async () => {
      const [file] = filesOf(
        (await question({ case: "fileContainingSymbol", value: "etcdserverpb.KV" })).messageResponse,
      );
      const again = await question({ case: "fileByFilename", value: file.name });
      expect(filesOf(again.messageResponse)[0].name).toBe(file.name);
      const { messageResponse } = await question({ case: "fileByFilename", value: "nothing.proto" });
      expect(messageResponse.case === "errorResponse" && messageResponse.value.errorCode).toBe(NOT_FOUND);
    });

    test(`${version}: an unknown symbol`, async () => {
      const { messageResponse } = await question({ case: "fileContainingSymbol", value: "nobody.Nothing" });
      expect(messageResponse.case === "errorResponse" && messageResponse.value.errorCode).toBe(NOT_FOUND);
    });
  }
});

interface Answer {
  messageResponse:
    | { case: "listServicesResponse"; value: { service: { name: string }[] } }
    | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
    | { case: "errorResponse"; value: { errorCode: number } }
    | { case: "allExtensionNumbersResponse"; value: unknown }
    | { case: undefined };
}

interface ReflectionStream {
  send(message: { messageRequest: Question }): void;
  message(): Promise<Answer>;
  halfClose(): void;
}

async function ask(stream: ReflectionStream, messageRequest: Question): Promise<Answer> {
  stream.send({ messageRequest });
  const answer = await stream.message();
  stream.halfClose();
  return answer;
}

function filesOf(response: Answer["messageResponse"]): FileDescriptorProto[] {
  if (response.case !== "fileDescriptorResponse") throw new Error(`no file but ${response.case}`);
  return response.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}
