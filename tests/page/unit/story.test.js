/** The story of a scenario from its steps. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { story } from "../../../src/page/story.js";

// Returns what is told of a step that is done.
const played = (line, text) => [
  { line, text, state: "begins", seen: null },
  { line, text, state: "done", seen: null },
];

test("nothing is told without a scenario", () => {
  assert.deepEqual(story([]), { heading: null, moral: false, steps: [] });
});

test("the steps of the part that is played stand under its heading, each with its latest state", () => {
  const told = [
    ...played(1, 'story "a cut"'),
    ...played(2, 'step "before"'),
    ...played(3, "append a w=3"),
    ...played(4, 'step "bonnie is cut off"'),
    ...played(5, "partition bonnie"),
    { line: 6, text: "expect messages bonnie", state: "begins", seen: null },
  ];
  const { heading, moral, steps } = story(told);
  assert.deepEqual([heading, moral], ["bonnie is cut off", false]);
  assert.deepEqual(
    steps.map(({ line, state }) => [line, state]),
    [
      [5, "done"],
      [6, "begins"],
    ],
  );
});

test("a step that does not hold says what was seen, and the moral leaves the last part in sight", () => {
  const broken = { line: 3, text: "expect messages bonnie", state: "broken", seen: "one message" };
  const told = [...played(2, "step plain"), { ...broken, state: "begins", seen: null }, broken];
  assert.deepEqual(story(told).steps, [broken]);
  const { heading, moral, steps } = story([...told, ...played(4, 'moral "late, never wrong"')]);
  assert.deepEqual([heading, moral, steps.length], ["late, never wrong", true, 1]);
});

test("a step that waits for a key is the next one, and stands once", () => {
  const waits = { line: 4, text: "kill bonnie", state: "waits", seen: null };
  const told = [...played(3, "append a w=3"), waits];
  assert.deepEqual(story(told).steps.at(-1), waits);
  const { steps } = story([...told, ...played(4, "kill bonnie")]);
  assert.deepEqual(
    steps.map(({ line, state }) => [line, state]),
    [
      [3, "done"],
      [4, "done"],
    ],
  );
});

test("a long part shows its newest steps, and a line that is played again stands twice", () => {
  const many = Array.from({ length: 50 }, (_, at) => played(at, `append ${at}`)).flat();
  assert.equal(story(many).steps.at(-1).line, 49);
  assert.ok(story(many).steps.length < 20);
  assert.equal(story([...played(7, "run 1s"), ...played(7, "run 1s")]).steps.length, 2);
});
