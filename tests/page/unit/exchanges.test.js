/** Requests and their answers put together, and what is drawn of them. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { bandMark } from "../../../src/page/band-marks.js";
import { isOdd } from "../../../src/page/exchanges.js";
import { appendLabel } from "../../../src/page/labels.js";
import { Lanes } from "../../../src/page/lanes.js";
import { appendMarks, exchangeMarks, inWindow, pointMarks } from "../../../src/page/marks.js";
import { MadeUpCluster, textWidth } from "./made-up-cluster.js";

function lanes(cluster) {
  const nodes = cluster.view.nodes();
  const places = new Lanes({ width: 1120, rem: 16, tall: 1000, nodes, span: 10_000_000, textWidth });
  places.origin = cluster.things("exchange")[0]?.t ?? cluster.time;
  return places;
}

// The members of an event about a frame that is sent once and at once, with messages [0, 1).
function frame(peer, request, members = {}) {
  return { peer, request, frame: "AddMessage", ids: [0, 1], attempt: 1, delayMs: 0, ...members };
}

// Returns the marks of the exchange with a request number, by their key.
function marksOf(cluster, request) {
  const exchange = cluster.things("exchange").find((thing) => thing.request === request);
  return new Map(exchangeMarks(exchange, lanes(cluster)).map((mark) => [mark.key, mark]));
}

// Returns the points of a line `M… L…`.
function points(d) {
  return d.match(/-?\d+(\.\d+)?/g).map(Number);
}

test("a frame is an arrow from its sender to its receiver, and its answer one back", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2).send("bonnie", 0, 1, { delayMs: 400 });
  cluster.pass(401).store("bonnie", 0, 1).pass(1).ack("bonnie", 0, 1);
  const marks = marksOf(cluster, 1);
  assert.deepEqual(
    [...marks.values()].map(({ kind }) => kind),
    ["sent", "received", "completed"],
  );
  const [x0, y0, x1, y1] = points(marks.get("frame master").d);
  const places = lanes(cluster);
  assert.deepEqual(
    [y0, y1],
    [places.y("master"), places.y("bonnie")].map((y) => Math.round(y * 10) / 10),
  );
  // As long as its true delay, an injected one included.
  assert.ok(Math.abs(x1 - x0 - 401_000 * places.pxPerMicro) < 0.2);
  assert.deepEqual([marks.get("frame master").node, marks.get("head master").node], ["master", "bonnie"]);
});

test("a lost frame ends in a cross before the line of the node that it was for", () => {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde").append(0, 2).send("clyde", 0, 1);
  cluster.tell("master", "dropped", frame("clyde", 1));
  cluster.pass(1500);
  cluster.tell("master", "timed-out", frame("clyde", 1));
  const marks = marksOf(cluster, 1);
  const lost = marks.get("lost master");
  assert.deepEqual([lost.kind, lost.node, lost.peer, lost.ids], ["lost", "master", "clyde", [0, 1]]);
  const [, , , end] = points(lost.d);
  const places = lanes(cluster);
  assert.ok(end > places.y("bonnie") + 10 && end < places.y("clyde") - 10);
  assert.equal(marks.get("timed-out").kind, "timed-out");
  assert.ok(!marks.has("frame master"));
});

test("a lost answer ends in a cross on its way back", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2).send("bonnie", 0, 1).pass(1).store("bonnie", 0, 1);
  cluster.tell("bonnie", "dropped", { peer: "master", request: 1, frame: "Added", attempt: 1, delayMs: 0 });
  const lost = marksOf(cluster, 1).get("lost bonnie");
  assert.deepEqual([lost.kind, lost.node, lost.peer], ["lost", "bonnie", "master"]);
});

test("what is sent again or twice is out of the ordinary, as what is lost or late is", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2).send("bonnie", 0, 1).pass(1).ack("bonnie", 0, 1);
  cluster.send("bonnie", 0, 2, { attempt: 2 });
  cluster.send("bonnie", 0, 3).tell("master", "doubled", frame("bonnie", 3));
  cluster.send("bonnie", 0, 4).tell("master", "dropped", frame("bonnie", 4));
  const odd = cluster.things("exchange").filter(isOdd);
  assert.deepEqual(
    odd.map(({ request }) => request),
    [2, 3, 4],
  );
});

test("late answers and second answers are told apart", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2).send("bonnie", 0, 1).pass(1500);
  cluster.tell("master", "timed-out", frame("bonnie", 1));
  cluster
    .pass(500)
    .store("bonnie", 0, 1)
    .tell("master", "late", frame("bonnie", 1));
  cluster.send("bonnie", 1, 2).pass(1).store("bonnie", 1, 2).ack("bonnie", 1, 2);
  cluster.tell("master", "late", frame("bonnie", 2));
  const late = marksOf(cluster, 1).get("late");
  const second = marksOf(cluster, 2).get("second");
  assert.deepEqual([late.kind, second.kind], ["late", "late"]);
  assert.notEqual(late.d.match(/a/g).length, second.d.match(/a/g).length);
});

test("of a frame that only its sender told of, a dashed arrow is drawn, and a stub until it is answered", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2).send("bonnie", 0, 1);
  assert.equal(marksOf(cluster, 1).get("frame master").look, "dashed");
  cluster.pass(20).ack("bonnie", 0, 1);
  const marks = marksOf(cluster, 1);
  assert.deepEqual([marks.get("frame master").look, marks.get("answer").look], ["dashed", "dashed"]);
  const [, , , y1] = points(marks.get("frame master").d);
  assert.equal(y1, Math.round(lanes(cluster).y("bonnie") * 10) / 10);
});

test("on a secondary's page its master has a lane, and frames come from there", () => {
  const cluster = new MadeUpCluster();
  cluster.state("bonnie", { role: "secondary", master: { name: "master", connected: true } });
  cluster.store("bonnie", 0, 1);
  const nodes = cluster.view.lanes();
  assert.deepEqual(
    nodes.map(({ name, isElsewhere }) => [name, Boolean(isElsewhere)]),
    [
      ["master", true],
      ["bonnie", false],
    ],
  );
  const places = new Lanes({ width: 1120, rem: 16, tall: 1000, nodes, span: 10_000_000, textWidth });
  const [exchange] = cluster.things("exchange");
  const marks = exchangeMarks(exchange, places);
  assert.deepEqual(
    marks.map(({ kind, look, node }) => [kind, look, node]),
    [
      ["received", "dashed", "bonnie"],
      ["received", "solid", "bonnie"],
    ],
  );
  assert.equal(cluster.view.master(), null);
});

test("nothing is received left of where it was sent, whatever the clocks say", () => {
  const cluster = new MadeUpCluster({ ahead: { bonnie: -700 } }).begin("bonnie").append(0, 2).send("bonnie", 0, 1);
  cluster.store("bonnie", 0, 1).ack("bonnie", 0, 1);
  const [x0, , x1] = points(marksOf(cluster, 1).get("frame master").d);
  assert.ok(x1 >= x0);
});

test("what a paused node reads when it goes on came then, and not while it was paused", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  const asks = (kind, request) => cluster.tell("bonnie", kind, { peer: "master", request, frame: "Handshake" });
  asks("sent", 0);
  cluster.pass(1500);
  asks("timed-out", 0);
  asks("resent", 1);
  cluster.pass(1500).tell("master", "handshake", { peer: "bonnie", request: 0 });
  cluster.tell("master", "joined", { peer: "bonnie", end: 0 });
  cluster.tell("master", "handshake", { peer: "bonnie", request: 1 });
  cluster.pass(1);
  asks("late", 0);
  asks("completed", 1);
  const exchanges = cluster.things("exchange");
  assert.deepEqual(
    exchanges.map(({ request, there }) => [request, there.arrivals.length]),
    [
      [0, 1],
      [1, 1],
    ],
  );
  for (const { there, answeredAt, lateAt } of exchanges) assert.equal(there.arrivals[0], (answeredAt ?? lateAt) - 1000);
  const looks = [0, 1].map((request) => marksOf(cluster, request).get("frame bonnie").look);
  assert.deepEqual(looks, ["line", "line"]);
});

test("what came before a frame was sent is no arrival of that frame", () => {
  // Nobody listens to a node that has just started.
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.tell("master", "handshake", { peer: "bonnie", request: 0 });
  cluster.tell("master", "sent", { peer: "bonnie", request: 1, frame: "Page", ids: [0, 1] });
  cluster.pass(10_000).tell("bonnie", "sent", { peer: "master", request: 0, frame: "Handshake" });
  cluster.tell("bonnie", "sent", { peer: "master", request: 1, frame: "GetMessages" });
  const [, , hello, page] = cluster.things("exchange");
  assert.deepEqual([hello.request, hello.there.arrivals, page.request, page.back.sentAt], [0, [], 1, null]);
});

test("request numbers of a new connection are of other requests", () => {
  const cluster = new MadeUpCluster()
    .begin("bonnie")
    .append(0, 2)
    .send("bonnie", 0, 1)
    .pass(1)
    .store("bonnie", 0, 1)
    .pass(1);
  cluster.ack("bonnie", 0, 1).pass(1000);
  cluster.tell("master", "joined", { peer: "bonnie", end: 1 });
  cluster.tell("bonnie", "joined", { peer: "master", end: 1 });
  cluster.pass(1000);
  // What the secondary tells may come before what the master tells.
  cluster.store("bonnie", 1, 1).append(1, 2).send("bonnie", 1, 1).pass(1).ack("bonnie", 1, 1);
  const exchanges = cluster.things("exchange");
  assert.deepEqual(
    exchanges.map(({ ids }) => ids),
    [
      [0, 1],
      [1, 2],
    ],
  );
  assert.deepEqual(
    exchanges.map(({ there }) => there.arrivals.length),
    [1, 1],
  );
});

test("the page that a secondary requests is a frame of its master", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.tell("bonnie", "sent", {
    peer: "master",
    request: 4,
    frame: "GetMessages",
    attempt: 1,
    delayMs: 0,
    from: 0,
  });
  cluster.pass(1).tell("master", "sent", frame("bonnie", 4, { frame: "Page", ids: [0, 9] }));
  cluster
    .pass(1)
    .tell("bonnie", "received", { peer: "master", request: 4, frame: "Page", ids: [0, 9], logEnd: 9 });
  const answered = { frame: "GetMessages", ids: [0, 9], tookMs: 2 };
  cluster.tell("bonnie", "completed", frame("master", 4, answered));
  const marks = marksOf(cluster, 4);
  assert.equal(cluster.things("exchange").length, 1);
  assert.deepEqual([marks.get("frame master").node, marks.get("frame bonnie").node], ["master", "bonnie"]);
  assert.equal(marks.get("head master").node, "bonnie");
});

test("a page that nobody told to have come is drawn dashed when its messages are acked", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.tell("master", "sent", frame("bonnie", 1, { frame: "Page", ids: [0, 6] }));
  const places = lanes(cluster);
  const end = () => points(marksOf(cluster, 1).get("frame master").d)[3];
  assert.ok(end() < places.y("bonnie") - 10);
  cluster.pass(5).tell("master", "acked", { peer: "bonnie", ids: [0, 6] });
  assert.equal(end(), Math.round(places.y("bonnie") * 10) / 10);
  assert.equal(marksOf(cluster, 1).get("frame master").look, "dashed");
});

test("a bar fills to its write concern, a step for each ack that counts", () => {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde").append(0, 2).pass(100);
  cluster.tell("master", "acked", { peer: "bonnie", ids: [0, 1] });
  cluster.tell("master", "answered", { ids: [0, 1], writeConcern: 2, answer: "acked" });
  cluster.pass(50).tell("master", "acked", { peer: "clyde", ids: [0, 1] });
  const [append] = cluster.things("append");
  const marks = appendMarks(append, lanes(cluster), { row: 0, now: cluster.time, label: null });
  assert.deepEqual(
    marks.map(({ kind, color }) => [kind, color]),
    [
      ["waits", null],
      ["acked", "master"],
      ["acked", "bonnie"],
      ["answered", null],
    ],
  );
  const heights = marks.slice(0, 3).map(({ d }) => points(d).at(3));
  assert.ok(Math.abs(heights[0] - heights[1] - heights[2]) < 0.3);
});

test("each outcome on a lane has a shape of its own", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  const shapes = new Set();
  for (const kind of ["stored", "held", "gap-closed", "duplicate", "store-delayed"]) {
    cluster.tell("bonnie", kind, { ids: [0, 1], end: 0, delayMs: 1 });
  }
  for (const point of cluster.things("point")) {
    const [mark] = pointMarks(point, lanes(cluster));
    shapes.add(`${mark.look} ${mark.d.replaceAll(/[\d.-]+/g, "")}`);
    assert.deepEqual([mark.kind, mark.node], [point.kind, "bonnie"]);
  }
  assert.equal(shapes.size, 5);
});

test("what the master tells of a node names it, also where that has no lane", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.tell("master", "refused", { peer: "dora", code: "other-log" });
  cluster.tell("master", "joined", { peer: "bonnie" });
  cluster.tell("bonnie", "joined", { peer: "master" });
  cluster.tell("master", "refused", { code: "bad-handshake" });
  const words = cluster.things("point").map((point) => pointMarks(point, lanes(cluster))[0].label.text);
  assert.deepEqual(words, ["dora refused", "bonnie joined", "joined", "refused"]);
});

test("a refusal is in the colour of an alarm, also where its connection ends at the same moment", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.tell("master", "refused", { peer: "dora" });
  cluster.tell("master", "left-early", { detail: "refused" });
  const looks = cluster.things("point").map((point) => pointMarks(point, lanes(cluster))[0].look);
  assert.deepEqual(looks, ["alarm", "alarm"]);
});

test("the words of a bar say whom its client waits for, also at a moment of the past", () => {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde").append(0, 3);
  const names = ["master", "bonnie", "clyde"];
  const begin = cluster.time;
  cluster.pass(10).tell("master", "acked", { peer: "clyde", ids: [0, 1] });
  const between = cluster.time;
  cluster.pass(10).tell("master", "acked", { peer: "bonnie", ids: [0, 1] });
  cluster.tell("master", "answered", { ids: [0, 1], writeConcern: 3, answer: "acked" });
  const [append] = cluster.things("append");
  const label = (t) => appendLabel(append, 1, names, t);
  assert.equal(label(begin), "0 w=3 waits for bonnie, clyde");
  assert.equal(label(between), "0 w=3 waits for bonnie");
  assert.deepEqual([label(begin - 1), label(Infinity)], ["0 w=3", "0 w=3"]);
  assert.equal(
    appendLabel({ ...append, w: 2, endedAt: null }, 1, names, begin),
    "0 w=2 waits for 1 of bonnie, clyde",
  );
});

test("the words of a band end with it, in whatever font", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  const nodes = cluster.view.nodes();
  for (const width of [0.3, 0.4, 0.6]) {
    const wide = (text) => width * [...text].length;
    const places = new Lanes({ width: 1120, rem: 16, tall: 1000, nodes, span: 10_000_000, textWidth: wide });
    places.origin = cluster.time;
    for (const ms of [10, 200, 700, 1500, 3000]) {
      const [t, end] = [cluster.time, cluster.time + ms * 1000];
      const band = { kind: "gap", node: "bonnie", text: "gap: message 12 is missing", t, end };
      const [{ label, box }] = bandMark(band, places, { start: t, now: end, line: 2 });
      if (ms === 10) assert.equal(label, "");
      else if (label) assert.ok(label.x + wide(label.text) * 16 <= box[0] + box[2], `${label.text} in ${ms} ms`);
      if (ms === 3000) assert.equal(label.text, band.text);
    }
  }
});

test("the words of a point stay in the window", () => {
  const before = (x) => ({ text: "clyde left", x: x - 4, y: 0, anchor: "end" });
  const behind = (x) => ({ text: "bonnie joined", x: x + 4, y: 0, anchor: "start" });
  const window = [100, 500];
  assert.deepEqual(inWindow(before(300), 60, 300, window), before(300));
  assert.deepEqual(inWindow(behind(300), 60, 300, window), behind(300));
  assert.deepEqual(inWindow(before(120), 60, 120, window), { ...before(0), x: 124, anchor: "start" });
  assert.deepEqual(inWindow(behind(480), 60, 480, window), { ...behind(0), x: 476, anchor: "end" });
  assert.deepEqual(inWindow(behind(480), 390, 480, window), behind(480), "there is no more room there");
});
