// gRPC server reflection (grpc/doc/server-reflection.md), v1 and v1alpha: tools such as grpcurl ask the server which
// services and messages it has. The answers come from the descriptors in the generated types.

import { create, type DescFile, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { reflectionalphapb, reflectionpb, StatusCode } from "#proto";
import type { StreamCall, StreamObserver } from "./call.js";
import { decodeMessage } from "./decode.js";

/** Names and files of everything that is served. */
export class DescriptorIndex {
  private readonly files = new Map<string, DescFile>();
  private readonly symbols = new Map<string, DescFile>();
  readonly services: string[] = [];

  /** @param served the files whose services are offered, dependencies are found from them */
  constructor(served: readonly DescFile[]) {
    for (const file of served) {
      this.add(file);
      for (const service of file.services) this.services.push(service.typeName);
    }
    this.services.sort();
  }

  file(name: string): DescFile | undefined {
    return this.files.get(name);
  }

  /** The file that declares a service, method, message, field, enum or enum value by its full name. */
  fileOfSymbol(symbol: string): DescFile | undefined {
    return this.symbols.get(symbol);
  }

  /** The file and all that it imports, encoded; the file itself first. */
  encodedWithDependencies(file: DescFile): Uint8Array[] {
    const seen = new Set<string>();
    const out: Uint8Array[] = [];
    const visit = (next: DescFile): void => {
      if (seen.has(next.proto.name)) return;
      seen.add(next.proto.name);
      out.push(toBinary(FileDescriptorProtoSchema, next.proto));
      for (const dependency of next.dependencies) visit(dependency);
    };
    visit(file);
    return out;
  }

  private add(file: DescFile): void {
    if (this.files.has(file.proto.name)) return;
    this.files.set(file.proto.name, file);
    for (const service of file.services) {
      this.symbols.set(service.typeName, file);
      for (const method of service.methods) this.symbols.set(`${service.typeName}.${method.name}`, file);
    }
    for (const message of file.messages) this.addMessage(file, message);
    for (const enumeration of file.enums) this.symbols.set(enumeration.typeName, file);
    for (const dependency of file.dependencies) this.add(dependency);
  }

  private addMessage(file: DescFile, message: DescMessage): void {
    this.symbols.set(message.typeName, file);
    for (const field of message.fields) this.symbols.set(`${message.typeName}.${field.name}`, file);
    for (const nested of message.nestedMessages) this.addMessage(file, nested);
    for (const enumeration of message.nestedEnums) this.symbols.set(enumeration.typeName, file);
  }
}

type Answer = reflectionpb.ServerReflectionResponse["messageResponse"];

function notFound(what: string): Answer {
  return { case: "errorResponse", value: errorOf(StatusCode.NotFound, what) };
}

function errorOf(errorCode: number, errorMessage: string): reflectionpb.ErrorResponse {
  return create(reflectionpb.ErrorResponseSchema, { errorCode, errorMessage });
}

function filesAnswer(index: DescriptorIndex, file: DescFile | undefined, what: string): Answer {
  if (file === undefined) return notFound(what);
  const fileDescriptorProto = index.encodedWithDependencies(file);
  return {
    case: "fileDescriptorResponse",
    value: create(reflectionpb.FileDescriptorResponseSchema, { fileDescriptorProto }),
  };
}

function answerTo(index: DescriptorIndex, request: reflectionpb.ServerReflectionRequest): Answer {
  const wanted = request.messageRequest;
  switch (wanted.case) {
    case "fileByFilename":
      return filesAnswer(index, index.file(wanted.value), `File not found: ${wanted.value}`);
    case "fileContainingSymbol":
      return filesAnswer(index, index.fileOfSymbol(wanted.value), `Symbol not found: ${wanted.value}`);
    case "listServices": {
      const service = index.services.map((name) => create(reflectionpb.ServiceResponseSchema, { name }));
      return {
        case: "listServicesResponse",
        value: create(reflectionpb.ListServiceResponseSchema, { service }),
      };
    }
    case "fileContainingExtension":
    case "allExtensionNumbersOfType":
      // proto3 schemas have no extensions of their own.
      return notFound("Extension not found");
    default:
      return { case: "errorResponse", value: errorOf(StatusCode.InvalidArgument, "invalid MessageRequest") };
  }
}

/** One ServerReflectionInfo stream. Both versions have the same fields, so one codec serves both. */
export class ReflectionStream implements StreamObserver {
  private readonly call: StreamCall;
  private readonly index: DescriptorIndex;

  constructor(call: StreamCall, index: DescriptorIndex) {
    this.call = call;
    this.index = index;
  }

  onMessage(message: Uint8Array): void {
    const request = decodeMessage(reflectionpb.ServerReflectionRequestSchema, message);
    const response = create(reflectionpb.ServerReflectionResponseSchema, {
      validHost: request.host,
      originalRequest: request,
      messageResponse: answerTo(this.index, request),
    });
    this.call.send(toBinary(reflectionpb.ServerReflectionResponseSchema, response));
  }

  onHalfClose(): void {
    this.call.end();
  }

  onCancel(): void {
    // Nothing is held between messages.
  }

  onDrain(): void {
    // Each message has one answer; nothing waits for room.
  }
}

/** Service names under which the stream is offered. */
export const REFLECTION_SERVICES: readonly string[] = [
  reflectionpb.ServerReflection.typeName,
  reflectionalphapb.ServerReflection.typeName,
];
