import assert from "node:assert/strict";
import { test } from "node:test";

import { Story } from "./items.js";

// Returns each client's messages with its state, and how many nodes must have them.
function clients(story) {
  return story.view.appends().map(({ first, end, state, w }) => [first, end, state, w]);
}

test("whoever asks for one message of a batch waits beside the client of the batch", () => {
  const story = new Story().begin("bonnie", "clyde");
  story.tell("master", "accepted", { ids: [4, 8] });
  story.tell("master", "waits", { ids: [4, 8], writeConcern: 3 });
  story.tell("master", "waits", { ids: [4, 5], writeConcern: 2 });
  assert.deepEqual(clients(story), [
    [4, 5, "waiting", 2],
    [4, 8, "waiting", 3],
  ]);
  story.pass(1).tell("master", "answered", { ids: [4, 5], writeConcern: 2, answer: "acked" });
  assert.deepEqual(clients(story), [
    [4, 5, "acked", 2],
    [4, 8, "waiting", 3],
  ]);
});

test("whoever asks for an old message ends nobody, and is known by what nodes acked before", () => {
  const story = new Story().begin("bonnie", "clyde").append(5000, 3);
  story.tell("master", "acked", { peer: "bonnie", ids: [0, 5001] });
  story.tell("master", "waits", { ids: [7, 8], writeConcern: 3 });
  assert.deepEqual(clients(story), [
    [7, 8, "waiting", 3],
    [5000, 5001, "waiting", 3],
  ]);
  assert.deepEqual(story.view.appends()[0].lacking, ["clyde"]);
});

test("of several clients of the same messages each has a write concern, and the last one ends the bar", () => {
  const story = new Story().begin("bonnie", "clyde").append(5, 3);
  story.tell("master", "waits", { ids: [5, 6], writeConcern: 2 });
  assert.deepEqual(clients(story), [[5, 6, "waiting", 3]]);
  story.tell("master", "answered", { ids: [5, 6], writeConcern: 2, answer: "timed-out" });
  assert.deepEqual(clients(story), [[5, 6, "waiting", 3]]);
  // One that is answered at once did not wait.
  story.tell("master", "answered", { ids: [5, 6], writeConcern: 1, answer: "acked" });
  assert.deepEqual(clients(story), [[5, 6, "waiting", 3]]);
  story.tell("master", "answered", { ids: [5, 6], writeConcern: 3, answer: "acked" });
  assert.deepEqual(clients(story), [[5, 6, "acked", 3]]);
  story.tell("master", "waits", { ids: [5, 6], writeConcern: 2 });
  story.tell("master", "canceled", { ids: [5, 6] });
  assert.deepEqual(clients(story), [
    [5, 6, "acked", 3],
    [5, 6, "canceled", 2],
  ]);
});

test("messages that were accepted at once, for a client each, wait for each of these", () => {
  const story = new Story().begin("bonnie").append(0, 2);
  story.tell("master", "accepted", { ids: [1, 3] });
  for (const first of [1, 2]) story.tell("master", "waits", { ids: [first, first + 1], writeConcern: 2 });
  story.tell("master", "acked", { peer: "bonnie", ids: [0, 2] });
  for (const first of [0, 1])
    story.tell("master", "answered", { ids: [first, first + 1], writeConcern: 2, answer: "acked" });
  // That of all of them is over with the first answer: each has one of its own.
  assert.deepEqual(clients(story), [
    [0, 1, "acked", 2],
    [1, 2, "acked", 2],
    [1, 3, "acked", null],
    [2, 3, "waiting", 2],
  ]);
});
