import { expect, test } from "vitest";
import { ProblemError, UnreachableError } from "tcan-client";
import { describeError, inputOf } from "./problems.ts";

const problem = (code: string, detail: string, errors?: { field: string; detail: string }[]) =>
  describeError(new ProblemError(422, { code, detail, errors } as ProblemError["problem"], undefined, undefined));

test("a refusal has the service's detail and a next action", () => {
  const trouble = problem("invalid_image", "image: not a picture");
  expect(trouble.detail).toBe("Image: not a picture.");
  expect(trouble.next).toContain("PNG");
});

test("a code of a newer service still gets a next action", () => {
  expect(problem("of_the_future", "new").next).not.toBe("");
});

test("a lost connection is no refusal", () => {
  expect(describeError(new UnreachableError("no answer")).code).toBe("offline");
});

test("what a preset was not made for is told in the page's own words", () => {
  const { detail } = problem("not_a_puppet", "driving.mp4 shows no puppet; to continue anyway: --any-subject");
  expect(detail).toMatch(/^The driving video shows no puppet/);
  expect(detail).not.toContain("--");
});

test.each([
  [problem("invalid_image", "The file is damaged"), "picture"],
  [problem("url_failed", "driving: 404"), "driver"],
  [problem("invalid_pose_file", "image_pose: two persons"), null],
  [problem("video_too_long", "601 s"), "driver"],
  [problem("invalid_params", "image_url: must be an address"), "picture"],
  [problem("invalid_params", "params.seed: too large", [{ field: "params.seed", detail: "too large" }]), null],
])("$code belongs to its field", (trouble, input) => {
  expect(inputOf(trouble)).toBe(input);
});
