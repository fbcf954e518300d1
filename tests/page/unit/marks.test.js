/** Which mark stands for which outcome. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Lanes } from "../../../src/page/lanes.js";
import { appendMarks, exchangeMarks, pointMarks } from "../../../src/page/marks.js";
import { experiments, marksOf } from "../../../src/page/tour-script.js";
import { MadeUpCluster, textWidth } from "./made-up-cluster.js";

function lanesOf(cluster) {
  const nodes = cluster.view.nodes();
  return new Lanes({ width: 1120, rem: 16, tall: 1000, nodes, span: 10_000_000, textWidth });
}

// Returns the mark that ends a client's bar, `{look, letters, words}` with the commands of its path, where
// `end(cluster)` ends its wait.
function endOf(end) {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2).pass(100);
  end(cluster);
  const [append] = cluster.things("append");
  const marks = appendMarks(append, lanesOf(cluster), { row: 0, now: cluster.time, label: null });
  const { look, kind, d, words } = marks.find(({ key }) => key === "end");
  return { look, kind, letters: d.replaceAll(/[^A-Za-z]/g, ""), words };
}

const answered = (answer) => (cluster) => {
  cluster.tell("master", "answered", { ids: [0, 1], writeConcern: 2, answer });
};

test("each way in which the wait of a client ends has a shape of its own, and words", () => {
  const acked = endOf(answered("acked"));
  const timedOut = endOf(answered("timed-out"));
  const stopping = endOf(answered("stopping"));
  const canceled = endOf((cluster) => cluster.tell("master", "canceled", { ids: [0, 1] }));
  const unknown = endOf((cluster) => cluster.tell("master", "started", { role: "master" }));
  assert.deepEqual(
    [acked, timedOut, stopping, canceled, unknown].map(({ look, kind, letters }) => [look, kind, letters]),
    [
      ["bold", "answered", "ML"],
      // An edge, and an hourglass or a triangle.
      ["alarm", "answered", "MLMHLHZ"],
      ["alarm", "answered", "MLMLHZ"],
      ["alarm", "canceled", "ML"],
      // Nobody tells that a client is answered whose master is gone.
      ["dashed", "waits", "ML"],
    ],
  );
  assert.match(acked.words, /^the client of message 0 is answered: its write concern holds; it waited 100\.0 ms/);
  assert.match(timedOut.words, /is answered: its time limit passed; it waited 100\.0 ms for 2 nodes; acked by master$/);
  assert.match(stopping.words, /is answered: the node stops;/);
  assert.match(canceled.words, /^the client of message 0 stopped waiting;/);
  assert.match(unknown.words, /^how the client of message 0 was answered is not known;/);
});

test("a failed disk and too many that wait are no time limits that passed", () => {
  for (const answer of ["disk-failed", "too-many-waiting"]) {
    assert.equal(endOf(answered(answer)).letters, "MLMLHZ", answer);
  }
});

test("the double ring of a duplicate stands round the disc of the same message", () => {
  const lanes = lanesOf(new MadeUpCluster().begin("bonnie"));
  const radii = (kind) => {
    const [mark] = pointMarks({ kind, node: "bonnie", ids: [0, 1], t: 0 }, lanes);
    return [...mark.d.matchAll(/a([\d.]+) /g)].map(([, radius]) => Number(radius));
  };
  const [disc] = radii("stored");
  const rings = radii("duplicate");
  // Between them and it there is room for lines that are 2 pixels wide.
  assert.ok(new Set(rings).size === 2 && Math.min(...rings) > disc + 2, `${rings} round ${disc}`);
});

test("the words of a node that joined stand below the double ring of a duplicate, and in its lane", () => {
  const few = lanesOf(new MadeUpCluster().begin("a"));
  const many = lanesOf(new MadeUpCluster().begin("a", "b", "c", "d", "e", "f", "g"));
  const at = (kind, lanes) => pointMarks({ kind, node: "a", ids: [0, 1], t: 0 }, lanes)[0];
  const radius = Math.max(...at("duplicate", few).d.match(/a[\d.]+/g).map((arc) => Number(arc.slice(1))));
  // Letters are so high, and reach so far below their line.
  const [height, depth] = [0.55, 0.2].map((share) => share * few.rem);
  assert.ok(at("joined", few).label.y - height >= few.y("a") + radius);
  for (const lanes of [few, many]) assert.ok(at("joined", lanes).label.y + depth < lanes.top("a") + lanes.pitch);
});

test("the tour points at the arrow of a frame that is sent again, not at the square with which it begins", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2).send("bonnie", 0, 1).pass(1500);
  cluster.send("bonnie", 0, 2, { attempt: 2 }).pass(1).store("bonnie", 0, 2);
  const marks = cluster.things("exchange").flatMap((exchange) => exchangeMarks(exchange, lanesOf(cluster)));
  const found = marks.filter(wantedBy(experimentsOfTwo()[1].steps[2]));
  assert.deepEqual(
    found.map(({ key, request }) => [key, request]),
    [["frame master", 2]],
  );
});

function experimentsOfTwo() {
  return experiments({ master: "master", near: "bonnie", far: "bonnie", size: 2 });
}

// Returns a function that tells whether a mark is one that a step points at.
function wantedBy(step) {
  const wanted = [...marksOf(step).matchAll(/data-(\w+)="(\w+)"/g)];
  return (mark) => wanted.every(([, name, value]) => mark[name] === value);
}

test("the tour points at the frame that was lost, not at a node that lost its messages", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2).send("bonnie", 0, 1);
  cluster.tell("master", "dropped", { peer: "bonnie", request: 1, frame: "AddMessage", ids: [0, 1] });
  cluster.pass(10).tell("master", "lost", { peer: "bonnie", count: 1 });
  const lanes = lanesOf(cluster);
  const marks = [
    ...cluster.things("exchange").flatMap((exchange) => exchangeMarks(exchange, lanes)),
    ...cluster.things("point").flatMap((point) => pointMarks(point, lanes)),
  ];
  assert.equal(marks.filter(({ kind }) => kind === "lost").length, 2);
  assert.deepEqual(
    marks.filter(wantedBy(experimentsOfTwo()[1].steps[1])).map(({ key }) => key),
    ["lost master"],
  );
});
