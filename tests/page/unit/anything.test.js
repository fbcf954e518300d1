/** Recordings are files that anybody may have written: whatever is in them, the page goes on. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { bandMark } from "../../../src/page/band-marks.js";
import { Lanes } from "../../../src/page/lanes.js";
import { appendMarks, exchangeMarks, pointMarks } from "../../../src/page/marks.js";
import { Model } from "../../../src/page/model.js";
import { eventWords } from "../../../src/page/sentences.js";
import { textWidth } from "./made-up-cluster.js";

const NAMES = ["master", "bonnie", "clyde", "__proto__", ""];
const FRAMES = ["AddMessage", "Page", "Added", "GetMessages", "Handshake", undefined];
const KINDS = [
  ..."accepted waits durable stored held gap-closed duplicate store-delayed acked answered canceled".split(
    " ",
  ),
  ..."sent resent received completed timed-out late failed under-way dropped doubled delayed".split(" "),
  ..."handshake joined left lost health mode disk repair faults epoch started stopping unheard-of".split(" "),
];

// Returns a function that draws numbers from 0 to 1, the same ones for the same seed.
function draws(seed) {
  return () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}

// Returns the data of an event of any kind, with members that may or may not fit.
function anyEvent(draw, pick, at, id) {
  const first = Math.floor(draw() * 60);
  const sometimes = (name, value) => (draw() < 0.85 ? { [name]: value } : {});
  return {
    id,
    time: Math.floor(at - draw() * 1_000_000),
    node: pick(NAMES),
    kind: pick(KINDS),
    ...sometimes("ids", [first, first + Math.floor(draw() * 5)]),
    ...sometimes("peer", pick(NAMES)),
    ...sometimes("request", Math.floor(draw() * 20)),
    ...sometimes("frame", pick(FRAMES)),
    ...sometimes("delayMs", draw() * 300),
    ...sometimes("tookMs", draw() * 300),
    ...sometimes("writeConcern", Math.floor(draw() * 4)),
    ...sometimes("role", pick(["master", "secondary"])),
    ...sometimes("status", pick(["healthy", "suspected"])),
  };
}

// Returns the marks of a thing.
function marksOf(thing, lanes, now) {
  if (thing.type === "exchange") return exchangeMarks(thing, lanes);
  if (thing.type === "point") return pointMarks(thing, lanes);
  if (thing.type === "band") return bandMark(thing, lanes, { start: lanes.origin, now, line: 0 });
  return appendMarks(thing, lanes, { row: 0, now, label: null });
}

for (const virtual of [false, true]) {
  test(`whatever comes is taken, shown and told, ${virtual ? "virtual" : "wall"} time`, () => {
    const draw = draws(virtual ? 7 : 1);
    const pick = (values) => values[Math.floor(draw() * values.length)];
    const model = new Model({ virtual });
    let at = 1e15;
    for (let number = 0; number < 5000; number += 1) {
      at += Math.floor(draw() * 40_000);
      const news = model.take({ at, event: "event", data: anyEvent(draw, pick, at, number) });
      if (news) assert.ok(eventWords(news).length > 0);
      const health = {
        role: pick(["master", "secondary"]),
        logEnd: Math.floor(draw() * 50),
        secondaries: [],
      };
      const state = { node: pick(NAMES), time: at, reachable: draw() < 0.9, health: pick([null, health]) };
      if (draw() < 0.1) model.take({ at, event: "state", data: state });
    }
    const view = model.view(at, true);
    assert.ok(view.nodes().length > 1 && view.appends().length > 0);
    const lanes = new Lanes({ width: 1000, rem: 16, tall: 900, nodes: view.lanes(), span: 10_000_000, textWidth });
    lanes.origin = at - lanes.span;
    let count = 0;
    for (const thing of model.things.between(-Infinity, Infinity)) {
      for (const mark of marksOf(thing, lanes, at)) {
        assert.doesNotMatch(mark.d ?? mark.box.join(), /NaN|undefined|Infinity/);
        assert.ok(mark.words ?? mark.events.map(eventWords).join(""));
        count += 1;
      }
    }
    assert.ok(count > 500);
  });
}
