/** What clients wait for, and how they are answered. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { MadeUpCluster } from "./made-up-cluster.js";

// Returns each client's messages with its state, and how many nodes must have them.
function clients(cluster) {
  return cluster.view.appends().map(({ first, end, state, w }) => [first, end, state, w]);
}

test("whoever asks for one message of a batch waits beside the client of the batch", () => {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde");
  cluster.tell("master", "accepted", { ids: [4, 8] });
  cluster.tell("master", "waits", { ids: [4, 8], writeConcern: 3 });
  cluster.tell("master", "waits", { ids: [4, 5], writeConcern: 2 });
  assert.deepEqual(clients(cluster), [
    [4, 5, "waiting", 2],
    [4, 8, "waiting", 3],
  ]);
  cluster.pass(1).tell("master", "answered", { ids: [4, 5], writeConcern: 2, answer: "acked" });
  assert.deepEqual(clients(cluster), [
    [4, 5, "acked", 2],
    [4, 8, "waiting", 3],
  ]);
});

test("whoever asks for an old message ends nobody, and is known by what nodes acked before", () => {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde").append(5000, 3);
  cluster.tell("master", "acked", { peer: "bonnie", ids: [0, 5001] });
  cluster.tell("master", "waits", { ids: [7, 8], writeConcern: 3 });
  assert.deepEqual(clients(cluster), [
    [7, 8, "waiting", 3],
    [5000, 5001, "waiting", 3],
  ]);
  assert.deepEqual(cluster.view.appends()[0].lacking, ["clyde"]);
});

test("of several clients of the same messages each has a write concern, and the last one ends the bar", () => {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde").append(5, 3);
  cluster.tell("master", "waits", { ids: [5, 6], writeConcern: 2 });
  assert.deepEqual(clients(cluster), [[5, 6, "waiting", 3]]);
  cluster.tell("master", "answered", { ids: [5, 6], writeConcern: 2, answer: "timed-out" });
  assert.deepEqual(clients(cluster), [[5, 6, "waiting", 3]]);
  // One that is answered at once did not wait.
  cluster.tell("master", "answered", { ids: [5, 6], writeConcern: 1, answer: "acked" });
  assert.deepEqual(clients(cluster), [[5, 6, "waiting", 3]]);
  cluster.tell("master", "answered", { ids: [5, 6], writeConcern: 3, answer: "acked" });
  assert.deepEqual(clients(cluster), [[5, 6, "acked", 3]]);
  cluster.tell("master", "waits", { ids: [5, 6], writeConcern: 2 });
  cluster.tell("master", "canceled", { ids: [5, 6] });
  assert.deepEqual(clients(cluster), [
    [5, 6, "acked", 3],
    [5, 6, "canceled", 2],
  ]);
});

test("messages that were accepted at once, for a client each, wait for each of these", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2);
  cluster.tell("master", "accepted", { ids: [1, 3] });
  for (const first of [1, 2]) cluster.tell("master", "waits", { ids: [first, first + 1], writeConcern: 2 });
  cluster.tell("master", "acked", { peer: "bonnie", ids: [0, 2] });
  for (const first of [0, 1])
    cluster.tell("master", "answered", { ids: [first, first + 1], writeConcern: 2, answer: "acked" });
  // That of all of them is over with the first answer: each has one of its own.
  assert.deepEqual(clients(cluster), [
    [0, 1, "acked", 2],
    [1, 2, "acked", 2],
    [1, 3, "acked", null],
    [2, 3, "waiting", 2],
  ]);
});
