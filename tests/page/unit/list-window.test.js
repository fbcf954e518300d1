/** Which messages the lists show. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ListWindow, rowState, turned } from "../../../src/page/list-window.js";

test("the window stands still while it fills, and then turns over by half", () => {
  let first = 0;
  const firsts = [];
  for (let end = 0; end <= 13; end += 1) {
    first = turned(first, end, 8);
    firsts.push(first);
  }
  assert.deepEqual(firsts, [0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 5, 5, 5, 5]);
  assert.equal(turned(5, 14, 8), 10);
});

test("the newest message is always in the window, after a jump and after a new log", () => {
  for (const [first, end] of [
    [0, 10_000],
    [9_996, 3],
    [9_996, 0],
    [5, 13],
  ]) {
    const next = turned(first, end, 8);
    assert.ok(next >= 0 && next <= Math.max(0, end - 1) && end <= next + 8, `${first} ${end}`);
  }
});

test("somebody may look back, and then sees the newest again", () => {
  const window = new ListWindow();
  window.place(100, 8);
  window.earlier(8, 0);
  assert.equal(window.place(100, 8), 92);
  assert.equal(window.place(200, 8), 92, "what comes meanwhile moves nothing");
  for (let step = 0; step < 50; step += 1) window.earlier(8, 10);
  assert.equal(window.place(200, 8), 10);
  window.newest();
  assert.equal(window.place(200, 8), 196);
});

test("a row says what a node has, holds back, lacks, or nobody has yet", () => {
  const node = { role: "secondary", end: 2, held: [[3, 5]] };
  const states = [0, 1, 2, 3, 4, 5, 6].map((id) => rowState(id, node, 6));
  assert.deepEqual(states, ["shown", "shown", "missing", "held", "held", "missing", "free"]);
  assert.equal(rowState(2, { role: "master", end: 2, held: [] }, 6), "free");
});
