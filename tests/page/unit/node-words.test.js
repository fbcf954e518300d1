/** How a node is, in words. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { nodeWords } from "../../../src/page/node-words.js";

// Returns a secondary that is well, with some of it changed.
function secondary(changes) {
  return {
    role: "secondary",
    stateTime: 1,
    reachable: true,
    detail: null,
    end: 5,
    row: { status: "healthy", phase: "ready" },
    health: { phase: "ready", logEnd: 5, buffered: 0, master: { logEnd: 5 }, disk: null },
    ...changes,
  };
}

test("a node that is well says so", () => {
  assert.deepEqual(nodeWords(secondary()), { text: "ready, has all", level: "ok" });
  const master = { role: "master", stateTime: 1, reachable: true, health: { mode: "read-write" } };
  assert.equal(nodeWords(master).level, "ok");
  assert.match(nodeWords({ ...master, health: { mode: "read-only" } }).text, /^refuses messages$/);
});

test("a node that its master does not know is not well, whatever it said before", () => {
  const stranger = secondary({ row: null, isMember: false, refusal: null });
  assert.deepEqual(nodeWords(stranger), { text: "not connected to its master", level: "alarm" });
  const lastError = "this node has 31 messages of another log";
  const health = { ...stranger.health, phase: "diverged", master: { logEnd: 5, lastError } };
  const refused = nodeWords({ ...stranger, refusal: "other-log", health });
  assert.deepEqual(refused, { text: "refused: other log", level: "alarm", more: lastError });
});

test("a node that catches up says what it lacks, where it lacks something", () => {
  const words = (logEnd) => {
    const health = { phase: "catching-up", logEnd: 5, buffered: 0, master: { logEnd }, disk: null };
    return nodeWords(secondary({ health })).text;
  };
  assert.deepEqual([words(5), words(7)], ["catching up", "catching up, lacks 2 messages"]);
});

test("silence is told as the master sees it", () => {
  const row = { status: "suspected", phase: "ready", lag: 2, lastSeenMs: 2300 };
  assert.deepEqual(nodeWords(secondary({ row })), {
    text: "suspected, silent 2.3 s",
    level: "wait",
    more: "lacks 2 messages",
  });
  const gone = { status: "unhealthy", phase: "disconnected", lag: 0, lastSeenMs: 9000 };
  assert.deepEqual(nodeWords(secondary({ row: gone })), { text: "disconnected", level: "alarm" });
});

test("a node that lags says what it lacks, and what it holds back", () => {
  const health = { phase: "ready", logEnd: 5, buffered: 0, master: { logEnd: 8 }, disk: null };
  assert.equal(nodeWords(secondary({ health })).text, "lacks 3 messages");
  assert.equal(
    nodeWords(secondary({ health: { ...health, buffered: 2 } })).text,
    "lacks 3, holds 2 back",
  );
  assert.match(
    nodeWords(secondary({ health: { ...health, phase: "catching-up" } })).text,
    /^catching up/,
  );
});

test("what cannot be reached, and a disk that failed, come first", () => {
  const unreachable = { reachable: false, detail: "refused", health: null };
  assert.deepEqual(nodeWords(secondary(unreachable)), {
    text: "does not answer",
    level: "alarm",
    more: "refused",
  });
  const row = { status: "unhealthy", phase: "disconnected", lag: 2, lastSeenMs: 9000 };
  assert.equal(nodeWords(secondary({ ...unreachable, row })).text, "disconnected, lacks 2");
  const health = { phase: "failed", disk: { state: "failed", detail: "no space" } };
  assert.deepEqual(nodeWords(secondary({ health })), {
    text: "disk failed",
    level: "alarm",
    more: "no space",
  });
  assert.equal(nodeWords(secondary({ stateTime: null })).level, "wait");
});
