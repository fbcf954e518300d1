/** Events, faults and answers in words. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  answerWords,
  concernNumber,
  durationWords,
  faultPhrases,
  inForce,
  leftOutWords,
  letters,
  listed,
  parseConcern,
  shown,
  toggled,
} from "../../../src/page/words.js";
import { NO_FAULTS } from "./made-up-cluster.js";

test("a text is shown in one line, and what reorders or hides is visible", () => {
  assert.equal(shown("a\nb\u202ec\u0000"), "a⏎b[RLO]c␀");
  assert.equal(shown("<img src=x onerror=alert(1)>"), "<img src=x onerror=alert(1)>");
  assert.equal(shown("😀".repeat(5), 3), "😀😀😀…");
  assert.equal(shown("abc", 3), "abc");
  assert.ok([...shown("x".repeat(1_000_000))].length < 100);
});

test("each node has a letter, and nodes that begin alike are told apart", () => {
  const marks = letters(["master", "bonnie", "clyde"]);
  assert.deepEqual([...marks.values()], ["M", "B", "C"]);
  const many = letters(["master", "s1", "s2", "s10", "s20"]);
  assert.equal(new Set(many.values()).size, 5);
  assert.equal(many.get("s1"), "S1");
});

test("time spans and lists are words", () => {
  assert.deepEqual([0.25, 850, 1234, 34_000, 240_000].map(durationWords), [
    "0.3 ms",
    "850 ms",
    "1.2 s",
    "34 s",
    "4 min",
  ]);
  assert.equal(listed(["a", "b", "c"]), "a, b and c");
});

test("faults in force are told in words", () => {
  assert.deepEqual(faultPhrases(null), []);
  assert.deepEqual(faultPhrases(NO_FAULTS), []);
  assert.deepEqual(faultPhrases({ ...NO_FAULTS, dropRate: 0.3, storeDelayMs: [1000, 1000] }), [
    "loses 30 % of its frames",
    "stores after 1.0 s",
  ]);
  assert.match(faultPhrases({ ...NO_FAULTS, dropRate: 1 })[0], /cut off/);
});

test("a button turns its own fault on and off, and leaves the others", () => {
  const slow = toggled("slow", { ...NO_FAULTS, duplicateRate: 0.5 }, false);
  assert.deepEqual(slow.storeDelayMs, [1000, 1000]);
  assert.equal(slow.duplicateRate, 0.5);
  assert.ok(inForce("slow", slow) && inForce("duplicate", slow) && !inForce("pause", slow));
  assert.deepEqual(toggled("slow", slow, false).storeDelayMs, null);
  assert.deepEqual(toggled("slow", NO_FAULTS, true).sendDelayMs, [300, 300]);
});

test("a cut is a drop of everything, and not the button for drops", () => {
  const cut = toggled("cut", NO_FAULTS, false);
  assert.equal(cut.dropRate, 1);
  assert.ok(inForce("cut", cut) && !inForce("drop", cut));
  assert.equal(toggled("drop", cut, false).dropRate, 0.3);
});

test("a delay of zero on the command line is no fault", () => {
  assert.deepEqual(faultPhrases({ ...NO_FAULTS, sendDelayMs: [0, 0] }), []);
});

test("answers are told in words, with what to do", () => {
  assert.deepEqual(answerWords(201, { ackedBy: ["master", "bonnie"] }), {
    ok: true,
    title: "answered 201",
    detail: "on master and bonnie",
  });
  const late = answerWords(504, { code: "timed-out", detail: "the time limit passed" });
  assert.equal(late.title, "answered 504 timed-out");
  assert.match(late.detail, /^The time limit passed\. It is stored/);
  assert.match(answerWords(502, null).detail, /could not be read/);
});

test("a write concern is a number or a word", () => {
  assert.deepEqual([" 3", "ALL", "majority", "-1", "2.5", ""].map(parseConcern), [
    3,
    "all",
    "majority",
    null,
    null,
    null,
  ]);
  assert.deepEqual(
    [1, "majority", "all", 0].map((w) => concernNumber(w, 4)),
    [1, 3, 4, 1],
  );
});

test("what the page was not told is told in one sentence", () => {
  const none = { events: 0, messages: 0, every: 1, missed: 0 };
  assert.equal(leftOutWords(none), "");
  assert.equal(
    leftOutWords({ ...none, events: 48_210, every: 32 }),
    "Left out so far: 48210 events (one of 32 messages is followed).",
  );
  assert.match(
    leftOutWords({ ...none, missed: 512, messages: 7 }),
    /512 events, because this page was too slow; 7 messages of the lists/,
  );
});
