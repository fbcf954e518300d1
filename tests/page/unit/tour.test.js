/** The experiments of the tour. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { newestMark } from "../../../src/page/arrow.js";
import { disturbance } from "../../../src/page/disturbance.js";
import { Sight } from "../../../src/page/sight.js";
import { experiments, hindrance, nextInForm } from "../../../src/page/tour-script.js";
import { NO_FAULTS, row } from "./made-up-cluster.js";

const NAMES = { master: "master", near: "bonnie", far: "clyde", size: 3 };
// A cluster as the tour sees it, whose nodes the test changes.
function cluster() {
  const nodes = ["master", "bonnie", "clyde"].map((name) => {
    const told = { row: name === "master" ? null : row(name), isMember: true };
    return { name, end: 3, ackedEnd: 3, faults: { ...NO_FAULTS }, status: "healthy", ...told };
  });
  const node = (name) => nodes.find((one) => one.name === name);
  const view = { node, nodes: () => nodes, master: () => node("master") };
  const sight = new Sight();
  sight.look(view, []);
  return { node, sight, appends: (entries) => sight.look(view, entries) };
}

test("there are five experiments, and each step tells what to do and what to watch", () => {
  const list = experiments(NAMES);
  assert.equal(list.length, 5);
  for (const { title, intro, breaks, steps, why } of list) {
    assert.ok(title && intro && why && breaks.length > 0);
    for (const step of steps)
      assert.ok(step.act.endsWith(".") && step.watch.endsWith("."), step.act);
    assert.equal(steps[0].point.node, breaks[0]);
  }
});

test("nothing is noticed while nothing happened", () => {
  const { sight } = cluster();
  for (const { steps } of experiments(NAMES)) {
    for (const step of steps.slice(0, -1)) assert.ok(!step.done(sight), step.act);
  }
});

test("a write concern that waits is noticed: slow, answered at once, answered late", () => {
  const { node, sight, appends } = cluster();
  const { steps } = experiments(NAMES)[0];
  node("bonnie").faults.storeDelayMs = [1000, 1000];
  assert.match(steps[0].done(sight), /one second late/);
  sight.begin(4);
  const quick = { number: 5, state: "answered", needed: 1, id: 3, tookMs: 4 };
  appends([{ ...quick, number: 4 }]);
  assert.ok(!steps[1].done(sight), "an append from before the step does not count");
  appends([quick]);
  assert.match(steps[1].done(sight), /after 4 ms/);
  assert.ok(!steps[2].done(sight));
  appends([{ ...quick, needed: 3, tookMs: 1010 }]);
  assert.ok(!steps[2].done(sight), "the acks come later than the answer");
  for (const name of ["clyde", "bonnie"]) ack(sight, node(name), 3);
  ack(sight, node("master"), 3);
  assert.match(steps[2].done(sight), /after 1\.0 s, as soon as bonnie had it/);
});

// Lets a node ack a message.
function ack(sight, node, id) {
  node.ackedEnd = id + 1;
  if (node.name !== "master") sight.take({ kind: "acked", node: "master", peer: node.name, ids: [id, id + 1] });
}

test("the node that a sender waited for is the one that the events name", () => {
  const { node, sight, appends } = cluster();
  const { steps } = experiments(NAMES)[0];
  appends([{ number: 1, state: "answered", needed: 3, id: 3, tookMs: 5300 }]);
  for (const name of ["master", "bonnie", "clyde"]) ack(sight, node(name), 3);
  // An ack of a later message by a node that had acked this one is none of this one.
  ack(sight, node("bonnie"), 4);
  assert.match(steps[2].done(sight), /as soon as clyde had it/);
  sight.begin(0);
  assert.match(steps[2].done(sight), /as soon as the last node had it/, "where no event tells");
});

test("a sender that waits for another node, too, is no proof that it waits for the one cut off", () => {
  const { node, sight, appends } = cluster();
  const step = experiments(NAMES)[3].steps[2];
  appends([{ number: 2, state: "waits", needed: 3, id: 3 }]);
  node("master").ackedEnd = 4;
  assert.ok(!step.done(sight));
  node("clyde").ackedEnd = 4;
  assert.match(step.done(sight), /waits for bonnie/);
});

test("an experiment asks to heal what it did not break, and waits for nodes that are not well", () => {
  const { node, sight } = cluster();
  const list = experiments(NAMES);
  for (const one of list) assert.equal(disturbance(one, 0, sight), null);
  Object.assign(node("clyde").faults, { paused: true });
  for (const one of [list[0], list[1], list[3], list[4]]) {
    for (const at of [0, 1]) {
      const { words, point } = disturbance(one, at, sight);
      assert.match(words, /^clyde is paused.* press heal in the column of clyde first\.$/);
      assert.deepEqual(point, { node: "clyde", fault: "heal" });
    }
  }
  assert.equal(disturbance(list[2], 1, sight), null, "it is that of the experiment");
  Object.assign(node("clyde"), { faults: { ...NO_FAULTS }, row: row("clyde", { status: "suspected" }) });
  const waits = disturbance(list[0], 0, sight);
  assert.match(waits.words, /^clyde is suspected\. Wait/);
  assert.deepEqual(waits.point, { node: "clyde" });
  node("bonnie").faults.storeDelayMs = [1000, 1000];
  assert.equal(disturbance(list[0], 1, sight), null, "what is broken may make nodes silent");
  node("bonnie").faults.errorRate = 0.5;
  assert.match(disturbance(list[0], 1, sight).words, /^bonnie answers 50 % with an error.* and stores after/);
});

test("an experiment goes back to a fault that it needs and that is over", () => {
  const { node, sight } = cluster();
  const [, , , cut, twice] = experiments(NAMES);
  node("master").faults.dropRate = 0.3;
  const { words, back } = disturbance(twice, 3, sight);
  assert.match(words, /That fault of master is over\. Press duplicate once more/);
  assert.equal(back, 0);
  node("master").faults.duplicateRate = 0.5;
  assert.equal(disturbance(twice, 3, sight), null);
  node("master").faults = { ...NO_FAULTS };
  assert.equal(disturbance(cut, 2, sight).back, 0);
  assert.equal(disturbance(cut, 3, sight), null, "its last step heals");
});

test("a lost frame, and that it is sent again, are noticed from the events", () => {
  const { node, sight } = cluster();
  const { steps } = experiments(NAMES)[1];
  node("bonnie").faults.dropRate = 0.3;
  assert.ok(steps[0].done(sight));
  sight.begin(0);
  sight.take({ kind: "dropped", node: "clyde", peer: "master" });
  assert.ok(!steps[1].done(sight));
  sight.take({ kind: "dropped", node: "bonnie", peer: "master" });
  assert.match(steps[1].done(sight), /cross/);
  sight.begin(0);
  sight.take({ kind: "resent", node: "master", peer: "bonnie", ids: [2, 3], attempt: 2 });
  assert.match(steps[2].done(sight), /message 2 went out again, attempt 2/);
});

test("a lost ack that a later one covers must be lost again", () => {
  const { sight } = cluster();
  const step = experiments(NAMES)[1].steps[2];
  sight.take({ kind: "received", node: "bonnie", peer: "master", request: 7, ids: [2, 3] });
  sight.take({ kind: "dropped", node: "bonnie", peer: "master", request: 7, frame: "Added" });
  sight.begin(0);
  assert.equal(step.again(sight), null);
  sight.take({ kind: "acked", node: "master", peer: "bonnie", ids: [1, 2] });
  sight.take({ kind: "acked", node: "master", peer: "clyde", ids: [2, 3] });
  assert.equal(step.again(sight), null, "neither an older ack nor one of another node covers it");
  sight.take({ kind: "acked", node: "master", peer: "bonnie", ids: [3, 4] });
  assert.match(step.again(sight), /covered the lost one/);
});

test("an ack may cover a lost one before the loss is noticed", () => {
  const { sight } = cluster();
  const step = experiments(NAMES)[1].steps[2];
  sight.take({ kind: "received", node: "bonnie", peer: "master", request: 7, ids: [2, 3] });
  sight.take({ kind: "dropped", node: "bonnie", peer: "master", request: 7, frame: "Added" });
  sight.take({ kind: "acked", node: "master", peer: "bonnie", ids: [3, 4] });
  sight.begin(0);
  assert.match(step.again(sight), /covered the lost one/);
});

test("a lost ack may be of a message that came before the step in which it is lost", () => {
  const { sight } = cluster();
  const step = experiments(NAMES)[1].steps[2];
  sight.take({ kind: "received", node: "bonnie", peer: "master", request: 7, ids: [2, 3] });
  sight.begin(0);
  sight.take({ kind: "dropped", node: "bonnie", peer: "master", request: 7, frame: "Added" });
  sight.begin(0);
  sight.take({ kind: "acked", node: "master", peer: "bonnie", ids: [3, 4] });
  assert.match(step.again(sight), /covered the lost one/);
});

test("silence and its end are noticed", () => {
  const { node, sight, appends } = cluster();
  const { steps } = experiments(NAMES)[2];
  node("clyde").faults.paused = true;
  assert.ok(steps[0].done(sight));
  appends([{ number: 1, state: "answered", needed: 2, id: 3, tookMs: 5 }]);
  assert.match(steps[1].done(sight), /clyde lacks message 3/);
  assert.ok(!steps[2].done(sight));
  node("clyde").status = "suspected";
  assert.match(steps[2].done(sight), /suspected/);
  assert.ok(!steps[3].done(sight));
  Object.assign(node("clyde"), { status: "healthy", faults: { ...NO_FAULTS } });
  assert.match(steps[3].done(sight), /has everything/);
});

test("a cut and its end are noticed", () => {
  const { node, sight, appends } = cluster();
  const { steps } = experiments(NAMES)[3];
  node("bonnie").faults.dropRate = 1;
  assert.ok(steps[0].done(sight));
  appends([{ number: 1, state: "answered", needed: 2, id: 3, tookMs: 5 }]);
  assert.match(steps[1].done(sight), /lacks message 3/);
  appends([{ number: 2, state: "waits", needed: 3, id: 4 }]);
  for (const name of ["master", "clyde"]) node(name).ackedEnd = 5;
  assert.match(steps[2].done(sight), /waits for bonnie/);
  node("bonnie").faults.dropRate = 0;
  assert.ok(!steps[3].done(sight), "it still waits");
  appends([]);
  assert.match(steps[3].done(sight), /the same again/);
});

test("duplicates, and a gap that closes, are noticed", () => {
  const { sight } = cluster();
  const { steps } = experiments(NAMES)[4];
  sight.take({ kind: "duplicate", node: "bonnie", ids: [4, 5] });
  assert.match(steps[1].done(sight), /bonnie got message 4 twice/);
  sight.take({ kind: "held", node: "clyde", ids: [6, 8], end: 5 });
  assert.match(
    steps[3].done(sight),
    /clyde holds messages 6 to 7 back, because message 5 is missing/,
  );
  sight.take({ kind: "gap-closed", node: "clyde", ids: [5, 8] });
  assert.match(steps[4].done(sight), /clyde is closed/);
});

test("the words and the arrow are about the same node", () => {
  const { sight } = cluster();
  for (const [at, kind] of [
    [1, "duplicate"],
    [3, "held"],
    [4, "gap-closed"],
  ]) {
    const step = experiments(NAMES)[4].steps[at];
    sight.begin(0);
    assert.ok(!step.event(sight));
    for (const node of ["clyde", "bonnie"]) sight.take({ kind, node, ids: [4, 5], end: 3 });
    assert.match(step.done(sight), /clyde/);
    // That of bonnie is newer, and so is another one of clyde.
    const marks = [mark("clyde", "4-5", 10), mark("bonnie", "4-5", 20), mark("clyde", "5-6", 30)];
    assert.equal(newestMark(marks, step.event(sight)), marks[0]);
    assert.equal(newestMark(marks, null), marks[2]);
    assert.equal(newestMark(marks.slice(1), step.event(sight)), null, "rather none than another one");
  }
});

test("the words and the arrow are about the same attempt", () => {
  const { sight } = cluster();
  const [, lose, wait] = experiments(NAMES)[1].steps;
  const again = { kind: "resent", node: "master", peer: "bonnie", ids: [4, 5] };
  sight.take({ ...again, peer: "clyde", request: 7, attempt: 2 });
  sight.take({ ...again, request: 8, attempt: 2 });
  sight.take({ ...again, request: 9, attempt: 3 });
  assert.match(wait.done(sight), /attempt 2/);
  const ofFrame = (peer, request, right) => mark("master", "4-5", right, { peer, request });
  const marks = [ofFrame("clyde", "7", 10), ofFrame("bonnie", "8", 20), ofFrame("bonnie", "9", 30)];
  assert.equal(newestMark(marks, wait.event(sight)), marks[1]);
  // The node that loses an answer does not tell of which messages.
  sight.take({ kind: "dropped", node: "bonnie", peer: "master", request: 8 });
  const crosses = ["8", "9"].map((request, at) => mark("bonnie", "4-5", 10 + at, { peer: "master", request }));
  assert.equal(newestMark(crosses, lose.event(sight)), crosses[0]);
});

// A mark on a timeline 100 pixels wide.
function mark(node, ids, right, more = {}) {
  const box = (left, right) => ({ left, right, width: right - left, height: 4 });
  const ownerSVGElement = { getBoundingClientRect: () => box(0, 100) };
  return { dataset: { node, ids, ...more }, ownerSVGElement, getBoundingClientRect: () => box(right - 4, right) };
}

test("a write concern that does not fit is chosen anew before anything is appended", () => {
  const step = (experiment, number, names = NAMES) => experiments(names)[experiment - 1].steps[number - 1].point;
  const next = (point, chosen, isEmpty = true) => nextInForm(point, { chosen, isEmpty });
  // Experiment 3 for "1 or majority", after one for all nodes.
  assert.equal(next(step(3, 2), "concern-3", false), "concern-1");
  for (const fits of ["concern-1", "concern-majority"]) {
    assert.equal(next(step(3, 2), fits), "message");
    assert.equal(next(step(3, 2), fits, false), "append-button");
  }
  const two = { master: "master", near: "bonnie", far: "bonnie", size: 2 };
  assert.equal(next(step(3, 2, two), "concern-majority"), "concern-1", "of two nodes a majority is both");
  // Experiment 5, five times in the field of the message.
  assert.equal(next(step(5, 4), "concern-3"), "concern-1");
  assert.equal(next(step(5, 4), "concern-1", false), "message");
  assert.equal(next(step(1, 3), "concern-1"), "concern-3");
  assert.equal(next(step(1, 3), "concern-all"), "message");
  assert.equal(next(step(2, 2), "concern-3"), "message", "any will do");
});

test("what is pointed at is what the words name", () => {
  const { sight, appends } = cluster();
  const list = experiments(NAMES);
  for (const { breaks, steps } of list)
    assert.deepEqual(steps[0].shows(sight), { node: breaks[0], part: ".in-force" });
  appends([{ number: 1, state: "answered", needed: 1, id: 3, tookMs: 4 }]);
  for (const [experiment, node] of [
    [0, "bonnie"],
    [2, "clyde"],
    [3, "bonnie"],
  ])
    assert.deepEqual(list[experiment].steps[1].shows(sight), { node, row: 3 });
  assert.equal(list[0].steps[2].waits(sight), false);
  appends([{ number: 2, state: "waits", needed: 3, id: 4 }]);
  assert.equal(list[0].steps[2].waits(sight), true);
});

test("what was too quick for the eye can be seen in a short window, as the end of an experiment says", () => {
  const closer = experiments(NAMES).map((one) => one.closer?.replace(/“\w+”/, "…"));
  const wanted =
    "To see it closely: press freeze, press ◂ until the words above the lanes say …, choose 0.1 s " +
    "instead of 10 s, and go on with ▸. Press back to now in the end.";
  assert.deepEqual(closer, [undefined, wanted, undefined, undefined, wanted]);
});

test("what a step can see does not grow without end", () => {
  const { sight } = cluster();
  for (let count = 0; count < 50_000; count += 1) sight.take({ kind: "stored" });
  assert.ok(sight.events.length < 10_000);
});

test("the tour says why it cannot be taken", () => {
  const fine = { mode: "live", master: "master", secondaries: ["bonnie"], faultsOff: [] };
  assert.equal(hindrance(fine), null);
  assert.match(
    hindrance({ ...fine, faultsOff: ["bonnie"] }),
    /bonnie does not allow it.*--allow-faults/,
  );
  assert.match(hindrance({ ...fine, secondaries: [] }), /Start one/);
  assert.match(hindrance({ ...fine, master: undefined }), /master's page/);
  assert.match(hindrance({ ...fine, mode: "recording" }), /recording/);
  assert.match(hindrance({ ...fine, mode: "scenario" }), /scenario plays/);
});
