import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeCbor } from "./cbor.ts";
import { readStatement } from "./statement.ts";

const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

// Examples of RFC 8949, appendix A.
test.each([
  ["1903e8", 1000],
  ["3863", -100],
  ["fb3ff199999999999a", 1.1],
  ["f6", null],
  ["f5", true],
  ["6449455446", "IETF"],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
  ["a26161016162820203", { a: 1, b: [2, 3] }],
])("%s is decoded", (hex, value) => {
  expect(decodeCbor(bytes(hex))).toEqual(value);
});

// {"job": "ab", "params": {"seed": 7}}
const STATEMENT = bytes("a2636a6f62626162" + "66706172616d73" + "a16473656564" + "07");

function boxed(content: Uint8Array<ArrayBuffer>): Blob {
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, content.length + 8);
  return new Blob(["ftyp", "org.tcan.generation\0....c2sh", size, "cbor", content, "mdat"]);
}

test("the statement of a result is found in its bytes", async () => {
  const file = new File([boxed(STATEMENT)], "result.mp4");
  expect(await readStatement(file)).toEqual({ job: "ab", params: { seed: 7 } });
});

test("a manifest has it too", async () => {
  const file = new File([JSON.stringify({ job: "ab", params: { seed: 7 }, model: {} })], "manifest.json");
  expect(await readStatement(file)).toEqual({ job: "ab", params: { seed: 7 } });
});

test.each([["{}"], ['{"job": "../x", "params": {}}'], ['{"job": 7, "params": {}}'], ["no JSON"]])(
  "%s is no statement",
  async (text) => {
    expect(await readStatement(new File([text], "a.json"))).toBeNull();
  },
);

test("whatever a file has in the place of the statement, it is read or left", async () => {
  const content = fc.uint8Array({ maxLength: 64 });
  await fc.assert(
    fc.asyncProperty(content, async (found) => {
      await readStatement(new File([boxed(new Uint8Array(found))], "a.mp4"));
    }),
  );
});
