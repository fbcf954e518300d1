/** The timeline: its window, its lanes, what is drawn of too many messages; and values in time. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Lanes, nextStart, Room, Rows, stepTime, windowStart } from "../../../src/page/lanes.js";
import { ceiling } from "../../../src/page/rate-counts.js";
import { Sampling } from "../../../src/page/sampling.js";
import { inOrder, quietWords } from "../../../src/page/sentences.js";
import { Timed } from "../../../src/page/timed.js";
import { textWidth } from "./made-up-cluster.js";

const SECOND = 1_000_000;

test("the window stands until it is full, then turns over by half", () => {
  const span = 10 * SECOND;
  let start = null;
  const starts = [];
  for (let second = 12; second < 28; second += 1) {
    start = nextStart(start, second * SECOND, span);
    if (starts.at(-1) !== start / SECOND) starts.push(start / SECOND);
  }
  assert.deepEqual(starts, [10, 15, 20]);
});

test("a step goes to the end of what it tells, and steps on tell of each moment", () => {
  const times = [40, 10, 30.5, 30, 20, 31.2];
  const steps = (direction) => [0, 10, 29.5, 30, 31, 40].map((t) => stepTime(times, t, direction, 1));
  assert.deepEqual(steps(1), [10, 20, 30.5, 31.2, 31.2, null]);
  assert.deepEqual(steps(-1), [null, null, 20, 20, 20, 31.2]);
  const told = new Set();
  for (let t = stepTime(times, 0, 1, 1); t !== null; t = stepTime(times, t, 1, 1)) {
    for (const time of times) if (time <= t && time >= t - 1) told.add(time);
  }
  assert.equal(told.size, times.length);
});

test("what happened in one step is told by time, then by cause", () => {
  const kinds = ["answered", "acked", "stored", "received", "sent", "waits"];
  const marks = [{ t: 1, kind: "left" }, ...kinds.map((kind) => ({ t: 5, kind })), { t: 2, kind: "answered" }];
  const order = marks.sort(inOrder).map(({ kind }) => kind);
  assert.deepEqual(order, ["left", "answered", ...kinds.reverse()]);
});

test("after a long sleep the window is at once where time is", () => {
  assert.equal(nextStart(10 * SECOND, 3610 * SECOND, 10 * SECOND), 3605 * SECOND);
});

test("a moment of the past stands in the third quarter of its window", () => {
  for (const [second, start] of [
    [20, 15],
    [22.4, 15],
    [22.5, 17.5],
    [24.9, 17.5],
  ]) {
    assert.equal(windowStart(second * SECOND, 10 * SECOND) / SECOND, start);
  }
});

test("of a moment at which nothing happened the page says so, and where what is kept begins and ends", () => {
  const range = [10 * SECOND, 70 * SECOND];
  assert.match(quietWords(10 * SECOND, range, false), /no earlier event.* 60 s/);
  assert.equal(quietWords(40 * SECOND, range, false), "no event at this moment");
  assert.equal(quietWords(70 * SECOND, range, false), "frozen here");
  assert.equal(quietWords(10 * SECOND, range, true), "the recording begins here");
  assert.equal(quietWords(70 * SECOND, range, true), "the recording ends here");
});

test("two to ten nodes have lanes that do not meet", () => {
  for (let count = 1; count <= 10; count += 1) {
    const names = Array.from({ length: count }, (_, index) => `n${index}`);
    const lanes = new Lanes({
      width: 1280,
      rem: 16,
      tall: 1000,
      nodes: names.map((name) => ({ name })),
      span: 10 * SECOND,
      textWidth,
    });
    const heights = names.map((name) => lanes.y(name));
    heights.forEach((y, index) => assert.ok(index === 0 || y - heights[index - 1] >= 40));
    assert.ok(heights.at(-1) < lanes.axis && lanes.axis < lanes.height);
    assert.ok(lanes.sendersTop + lanes.sendersHeight < heights[0]);
  }
});

test("bars at the same time stand in rows of their own, and keep them", () => {
  const rows = new Rows(2);
  const at = (row, words) => ({ row, words });
  assert.deepEqual(rows.place("a", 0, 50, 5), at(0, 0));
  assert.deepEqual(rows.place("b", 10, 20, 5), at(1, 10));
  assert.equal(rows.place("c", 15, 30, 5), null);
  assert.deepEqual(rows.place("d", 25, 40, 5), at(1, 25));
  assert.deepEqual(rows.place("a", 0, 90, 5), at(0, 0));
  assert.deepEqual(rows.place("e", 60, 70, 5), at(1, 60));
});

test("a bar below the words of others has its own behind them once it is long enough", () => {
  const rows = new Rows(1);
  assert.deepEqual(rows.place("short", 0, 2, 40), { row: 0, words: 0 });
  assert.deepEqual(rows.place("long", 10, 20, 40), { row: 0, words: null });
  assert.deepEqual(rows.place("long", 10, 59, 40), { row: 0, words: null });
  assert.deepEqual(rows.place("long", 10, 60, 40), { row: 0, words: 40 });
  assert.deepEqual(rows.place("long", 10, 90, 20), { row: 0, words: 40 });
  assert.equal(rows.place("below", 85, 95, 20), null);
  assert.deepEqual(rows.place("below", 85, 105, 20), { row: 0, words: 85 });
});

test("words that become shorter leave their room to others", () => {
  const rows = new Rows(1);
  assert.deepEqual(rows.place("first", 0, 10, 100), { row: 0, words: 0 });
  assert.deepEqual(rows.place("first", 0, 20, 30), { row: 0, words: 0 });
  assert.deepEqual(rows.place("second", 40, 50, 30), { row: 0, words: 40 });
  assert.deepEqual(rows.place("first", 0, 20, 35), { row: 0, words: 0 });
  assert.deepEqual(rows.place("third", 60, 80, 30), { row: 0, words: null });
});

test("words that are placed anew have the room that they had, and leave it to others", () => {
  const room = new Room();
  assert.ok(room.has("a", "bonnie", 0, 50));
  assert.ok(!room.has("b", "bonnie", 40, 60));
  room.forget("a");
  assert.ok(room.has("a", "bonnie", 0, 50), "nothing else stands there");
  room.forget("b");
  assert.ok(!room.has("b", "bonnie", 40, 60), "those of another still do");
  assert.ok(room.has("c", "clyde", 40, 60));
  room.forget("a");
  room.forget("b");
  assert.ok(room.has("b", "bonnie", 40, 60));
  room.forget("none");
});

test("of too many messages one of a power of two is drawn, with all that is about it", () => {
  const sampling = new Sampling(50, 10 * SECOND);
  let id = 0;
  for (let second = 0; second < 5; second += 1) {
    for (let number = 0; number < 200; number += 1) {
      sampling.see([id, id + 1], second * SECOND + number * 5000);
      id += 1;
    }
  }
  assert.equal(sampling.every, 64);
  const drawn = Array.from({ length: 200 }, (_, number) => id - 200 + number).filter((it) =>
    sampling.has([it, it + 1]),
  );
  assert.ok(drawn.length >= 2 && drawn.length <= 5);
  // A run is drawn where it has a message that is.
  assert.ok(sampling.has([drawn[0] - 3, drawn[0] + 2]));
  assert.ok(sampling.has(null));
});

test("with few messages all are drawn, also after many", () => {
  const sampling = new Sampling(50, 10 * SECOND);
  for (let id = 0; id < 500; id += 1) sampling.see([id, id + 1], 1000 + id);
  assert.ok(sampling.every > 1);
  for (let second = 1; second < 20; second += 1) sampling.see([500 + second, 501 + second], second * SECOND);
  assert.equal(sampling.every, 1);
  assert.ok(sampling.has([517, 518]));
});

test("a value is known at each time since it was set", () => {
  const value = new Timed();
  value.set(10, "a");
  value.set(20, "b");
  value.set(15, "late");
  assert.deepEqual([value.at(9), value.at(10), value.at(19.9), value.at(20)], [undefined, "a", "a", "late"]);
  for (let t = 30; t < 300; t += 1) value.set(t, t);
  value.prune(250, 1000);
  assert.deepEqual([value.at(250.5), value.at(10), value.last], [250, undefined, 299]);
  value.prune(0, 10);
  assert.deepEqual([value.at(289), value.at(290)], [undefined, 290]);
});

test("scales end at a round number", () => {
  assert.deepEqual([0, 1, 3, 10, 11, 700, 2001].map(ceiling), [1, 1, 5, 10, 20, 1000, 5000]);
});
