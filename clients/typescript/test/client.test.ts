/** The client against a running service at TCAN_URL, with the inputs in the folder TCAN_TEST_FILES. */

import assert from "node:assert/strict";
import { readFile, readdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { Client, JobEndedError, ProblemError, UnreachableError, type Job } from "../src/index.js";
import { serve } from "./servers.js";

const FILES = process.env["TCAN_TEST_FILES"] ?? "";
const IMAGE = join(FILES, "source.png");
const DRIVING = join(FILES, "driving.mp4");
// So many steps that a job runs until it is canceled.
const LONG = { num_inference_steps: 200 };

const client = new Client();

async function refusal(call: Promise<unknown>): Promise<ProblemError> {
  const error: unknown = await call.then(() => null, (reason: unknown) => reason);
  assert.ok(error instanceof ProblemError, String(error));
  return error;
}

function isVideo(content: Uint8Array): boolean {
  return Buffer.from(content).subarray(4, 8).toString() === "ftyp";
}

test("a job is animated from paths and its result is written to a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tcan-"));
  const updates: Job[] = [];
  const job = await client.animate(IMAGE, pathToFileURL(DRIVING), {
    params: { seed: 7, num_inference_steps: 2 },
    options: { ttl_s: 3600 },
    out: join(folder, "result.mp4"),
    onUpdate: (update) => updates.push(update),
  });
  assert.equal(job.status, "succeeded");
  assert.equal(job.params.seed, 7);
  assert.equal(job.options.ttl_s, 3600);
  assert.equal(updates.at(-1)?.version, job.version);
  assert.ok(updates.some((update) => update.status === "running"));
  assert.deepEqual(await readdir(folder), ["result.mp4"]);
  const content = await readFile(join(folder, "result.mp4"));
  assert.ok(isVideo(content));

  const blob = await client.output(job.id);
  assert.deepEqual(Buffer.from(await blob.arrayBuffer()), content);
  const manifest = JSON.parse(await (await client.output(job.id, "manifest")).text());
  assert.equal(manifest.params.seed, 7);

  assert.deepEqual(await client.deliveries(job.id), []);
  await client.erase(job.id);
  assert.equal((await refusal(client.job(job.id))).code, "job_not_found");
});

test("inputs may be files, bytes, URLs and uploads, mixed in one request", async () => {
  const image = await readFile(IMAGE);
  const upload = await client.upload(DRIVING);
  await using server = await serve((_, response) => response.end(image));
  const inputs = [
    [new File([image], "me.png"), upload],
    [image, new Blob([await readFile(DRIVING)])],
    [new URL("/me.png", server.url), DRIVING],
    [`${server.url}/me.png`, upload],
    [`data:image/png;base64,${image.toString("base64")}`, upload],
  ] as const;
  for (const [character, driving] of inputs) {
    const { id } = await client.submit(character, driving, { params: LONG });
    assert.equal((await client.cancel(id)).id, id);
    assert.equal((await client.wait(id)).status, "canceled");
  }
});

test("a pose preview has keypoints, which drive an animation", async () => {
  const preview = await client.wait((await client.poses(DRIVING)).id);
  const keypoints = await client.output(preview.id, "keypoints");
  assert.equal(JSON.parse(await keypoints.text()).frames.length, 9);
  const { id, status } = await client.submit(IMAGE, keypoints, { params: LONG });
  assert.equal(status, "queued");
  await client.cancel(id);
});

test("a file that cannot be read is named", async () => {
  await assert.rejects(client.submit("missing.png", DRIVING), /image: cannot read .*missing\.png/);
});

test("events continue after lost connections, each exactly once", async () => {
  const asked: string[] = [];
  await using proxy = await serve(async (request, response) => {
    asked.push(String(request.headers["last-event-id"]));
    const headers = { "Last-Event-ID": asked.at(-1) ?? "" };
    const stream = await fetch(process.env["TCAN_URL"] + String(request.url), { headers });
    response.writeHead(stream.status, { "Content-Type": "text/event-stream" });
    // The first connection ends after two events, the second breaks off within the third.
    const cuts = [/(?:[^]*?\ndata: .*\n\n){2}/, /(?:[^]*?\ndata: .*\n\n){2}.+/];
    const cut = cuts[asked.length - 1];
    let text = "";
    for await (const chunk of stream.body ?? []) {
      text += Buffer.from(chunk).toString();
      const found = cut?.exec(text)?.[0];
      if (found !== undefined) {
        response.write(found, () => (asked.length === 1 ? response.end() : response.destroy()));
        return;
      }
    }
    response.end(text);
  });
  const { id } = await client.submit(IMAGE, DRIVING, { params: { num_inference_steps: 2 } });
  const ids: number[] = [];
  for await (const event of new Client({ url: proxy.url }).events(id)) {
    // An event of a place in the queue has no id of its own.
    if (event.kind !== "queue") {
      ids.push(event.id);
      assert.equal(event.job.version, event.id);
    }
  }
  const all: number[] = [];
  for await (const event of client.events(id)) {
    if (event.kind !== "queue") {
      all.push(event.id);
    }
  }
  assert.deepEqual(ids, all);
  assert.equal(asked.length, 3);
  assert.equal(asked[0], "0");
  assert.ok(asked.slice(1).every((last) => ids.includes(Number(last))));
});

test("a job is polled where a proxy blocks event streams", async () => {
  await using proxy = await serve(async (request, response) => {
    if (request.url?.endsWith("/events")) {
      response.end("<html>blocked</html>");
    } else {
      const answer = await fetch(process.env["TCAN_URL"] + String(request.url));
      response.end(Buffer.from(await answer.arrayBuffer()));
    }
  });
  const { id } = await client.submit(IMAGE, DRIVING, { params: { num_inference_steps: 2 } });
  assert.equal((await new Client({ url: proxy.url }).wait(id)).status, "succeeded");
});

test("events of an ended job end at once after the last one", async () => {
  const { id } = await client.submit(IMAGE, DRIVING, { params: LONG });
  await client.cancel(id);
  const { version } = await client.wait(id);
  for await (const event of client.events(id, { lastEventId: version })) {
    assert.fail(`unexpected event ${event.id}`);
  }
});

test("a canceled job ends animate with JobEndedError", async () => {
  const started = client.animate(IMAGE, DRIVING, {
    params: LONG,
    onUpdate: (job) => void (job.status === "running" && client.cancel(job.id)),
  });
  const error: unknown = await started.then(() => null, (reason: unknown) => reason);
  assert.ok(error instanceof JobEndedError);
  assert.equal(error.job.status, "canceled");
  assert.match(error.message, /was canceled/);
});

test("a signal stops waiting while the job continues", async () => {
  const { id } = await client.submit(IMAGE, DRIVING, { params: LONG });
  const abort = new AbortController();
  const waiting = client.wait(id, {
    signal: abort.signal,
    onUpdate: () => abort.abort(new Error("enough")),
  });
  await assert.rejects(waiting, /enough/);
  assert.equal((await client.job(id)).ended_at, null);
  await client.cancel(id);
});

test("animate checks the folder of its file before it submits", async () => {
  const before = new Client({ url: "http://127.0.0.1:9", tries: 1 });
  const out = join(FILES, "none", "result.mp4");
  await assert.rejects(before.animate(IMAGE, DRIVING, { out }), { code: "ENOENT" });
});

test("ids and keys that would mislead a request are refused before it is sent", async () => {
  const before = new Client({ url: "http://127.0.0.1:9", tries: 1 });
  for (const id of ["", "..", "a/b", "\u00e9"]) {
    await assert.rejects(before.job(id), { name: "ClientError", message: /cannot be an id/ });
    await assert.rejects(before.deleteUpload(id), { name: "ClientError", message: /in \/uploads/ });
  }
  for (const idempotencyKey of ["", "a b", "\u20ac"]) {
    const submitted = before.submit(new Blob(["a"]), new Blob(["b"]), { idempotencyKey });
    await assert.rejects(submitted, { name: "ClientError", message: /visible ASCII/ });
  }
  assert.throws(() => new Client({ apiKey: "\u20ac" }), { message: /copy the key/ });
});

test("a refusal has status, code, fields and request id", async () => {
  const params = { seed: -1, context_size: 99 };
  const error = await refusal(client.submit(IMAGE, DRIVING, { params }));
  assert.deepEqual([error.status, error.code], [422, "invalid_params"]);
  assert.deepEqual(error.errors.map(({ field }) => field).sort(), ["context_size", "seed"]);
  assert.ok(error.requestId);
  assert.match(error.message, /seed/);
});

test("a result that is not ready has a time to retry after", async () => {
  const { id } = await client.submit(IMAGE, DRIVING, { params: LONG });
  const error = await refusal(new Client({ tries: 1 }).output(id));
  assert.deepEqual([error.status, error.code], [409, "result_not_ready"]);
  assert.ok(Number(error.retryAfter) > 0);
  await client.cancel(id);
});

test("the same idempotency key returns the same job", async () => {
  const options = { params: LONG, idempotencyKey: crypto.randomUUID() };
  const first = await client.submit(IMAGE, DRIVING, options);
  assert.equal((await client.submit(IMAGE, DRIVING, options)).id, first.id);
  await client.cancel(first.id);
});

test("jobs are listed over several pages, filtered by state", async () => {
  for (let count = 0; count < 2; count++) {
    const { id } = await client.submit(IMAGE, DRIVING, { params: LONG });
    await client.cancel(id);
    await client.wait(id);
  }
  const jobs = await client.jobs({ limit: 2, states: ["canceled"] });
  assert.deepEqual(jobs.map(({ status }) => status), ["canceled", "canceled"]);
  assert.equal((await client.jobs({ limit: 1 })).length, 1);
});

test("a job is retried with changed parameters and found by its metadata", async () => {
  const options = { metadata: { shot: crypto.randomUUID() } };
  const first = await client.submit(IMAGE, DRIVING, { params: { ...LONG, seed: 3 }, options });
  await client.cancel(first.id);
  const again = await client.retry(first.id, { params: { guidance_scale: 2 } });
  assert.deepEqual([again.params.seed, again.params.guidance_scale], [3, 2]);
  assert.equal(again.params.num_inference_steps, LONG.num_inference_steps);
  const found = await client.jobs({ metadata: options.metadata });
  assert.deepEqual(found.map(({ id }) => id), [again.id, first.id]);
  await client.cancel(again.id);
  const { status } = await client.wait(again.id);
  const log = await client.logs(again.id);
  assert.deepEqual([log[0]?.status, log.at(-1)?.status], ["queued", status]);
});

test("uploads are listed and deleted, and usage counts them", async () => {
  const id = await client.upload(new Blob(["text"]));
  assert.ok((await client.usage()).storage.uploads > 0);
  assert.ok((await client.uploads()).some((upload) => upload.id === id));
  await client.deleteUpload(id);
  assert.ok((await client.uploads()).every((upload) => upload.id !== id));
});

test("models and webhook secrets are read", async () => {
  assert.deepEqual((await client.models()).map(({ preset }) => preset), ["mini"]);
  assert.match((await client.webhookSecrets()).secrets[0]?.secret ?? "", /^whsec_/);
});

test("a busy service is asked again and a silent one is named", async () => {
  let asked = 0;
  await using server = await serve((_, response) => {
    asked += 1;
    response.writeHead(asked === 1 ? 503 : 200, { "Retry-After": "0" });
    response.end('{"models": []}');
  });
  assert.deepEqual(await new Client({ url: server.url }).models(), []);
  assert.equal(asked, 2);
  const silent = new Client({ url: "http://127.0.0.1:9", tries: 2 });
  await assert.rejects(silent.job("x"), (error: unknown) => error instanceof UnreachableError);
  assert.throws(() => new Client({ url: "localhost:8000" }), /is not the URL of a service/);
});

test("URL and key come from the environment, and no other server gets the key", async () => {
  const keys: (string | undefined)[] = [];
  await using store = await serve((request, response) => {
    keys.push(request.headers.authorization);
    response.end("object");
  });
  await using server = await serve((request, response) => {
    keys.push(request.headers.authorization);
    response.writeHead(307, { Location: store.url }).end();
  });
  const { TCAN_URL, TCAN_API_KEY } = process.env;
  Object.assign(process.env, { TCAN_URL: server.url, TCAN_API_KEY: "tcan_secret" });
  try {
    assert.equal(await (await new Client().output("x")).text(), "object");
  } finally {
    process.env["TCAN_URL"] = TCAN_URL;
    process.env["TCAN_API_KEY"] = TCAN_API_KEY ?? "";
  }
  assert.deepEqual(keys, ["Bearer tcan_secret", undefined]);
});
