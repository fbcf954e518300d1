/** Appends of the form that are sent, wait in the queue, or end. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { AppendQueue, MAX_WAITING } from "../../../src/page/append-queue.js";

// Returns a queue whose requests are answered by hand: `sent` has a function for each of them.
function queue() {
  const sent = [];
  let time = 0;
  const appends = new AppendQueue({
    send: (request, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("aborted")));
        sent.push({ request, answer: (status, body) => resolve({ status, body }), fail: reject });
      }),
    now: () => (time += 100),
    changed: () => {},
  });
  const add = (message) => appends.add({ message, concern: 2, needed: 2, timeoutMs: null });
  return { appends, sent, add };
}

// Lets what was answered be taken.
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("as many as may wait are sent, and the next one when one is answered", async () => {
  const { appends, sent, add } = queue();
  for (let number = 0; number < MAX_WAITING + 2; number += 1) add(`m${number}`);
  assert.equal(sent.length, MAX_WAITING);
  sent[0].answer(201, { id: 7, ackedBy: ["master", "bonnie"] });
  await settled();
  assert.equal(sent.length, MAX_WAITING + 1);
  assert.equal(sent[MAX_WAITING].request.message, `m${MAX_WAITING}`);
  const first = appends.entries.at(-1);
  assert.deepEqual([first.state, first.id, first.status], ["answered", 7, 201]);
  assert.ok(first.tookMs > 0);
});

test("one that is given up hangs up, and one that is queued is never sent", async () => {
  const { appends, sent, add } = queue();
  const entries = Array.from({ length: MAX_WAITING + 1 }, (_, number) => add(`m${number}`));
  appends.end(entries[MAX_WAITING]);
  assert.equal(entries[MAX_WAITING].state, "given-up");
  appends.end(entries[0]);
  await settled();
  assert.equal(entries[0].state, "given-up");
  assert.equal(sent.length, MAX_WAITING);
});

test("a lost answer is told apart from one that was given up", async () => {
  const { sent, add } = queue();
  const entry = add("m");
  sent[0].fail(new TypeError("network"));
  await settled();
  assert.equal(entry.state, "no-answer");
});

test("an append finds its id in what the master shows, each of equal texts its own", () => {
  const { appends, add } = queue();
  appends.logEnds(2);
  const first = add("same");
  const second = add("same");
  const long = add("x".repeat(500));
  const texts = ["same", "other", "same", "same", `${"x".repeat(200)}…`];
  appends.match(0, 5, (id) => texts[id]);
  assert.deepEqual([first.id, second.id, long.id], [2, 3, 4]);
});

test("those that were over long ago are forgotten, those that wait are not", async () => {
  const { appends, sent, add } = queue();
  const waiting = add("waits");
  for (let number = 0; number < 30; number += 1) {
    add("m");
    sent.at(-1).answer(503, { code: "no-quorum" });
    await settled();
  }
  assert.ok(appends.entries.length < 20);
  assert.ok(appends.entries.includes(waiting));
});
