/** The stream of events as items, also those from before the page was there. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Model } from "../../../src/page/model.js";
import { liveSource, pageTime } from "../../../src/page/source.js";
import { clockWords } from "../../../src/page/words.js";
import { NO_FAULTS, row, MadeUpCluster } from "./made-up-cluster.js";

const SECOND = 1_000_000;

// Stands in for the browser's reader of server-sent events.
class FakeSource {
  static CLOSED = 2;
  readyState = 1;
  #listeners = new Map();

  constructor() {
    FakeSource.last = this;
  }

  addEventListener(name, listener) {
    this.#listeners.set(name, listener);
  }

  // Lets something come.
  tell(name, data) {
    this.#listeners.get(name)({ data: JSON.stringify(data) });
  }
}

// Returns a stream of a page, and what comes of it: `{source, items, model}`.
function opened() {
  globalThis.EventSource = FakeSource;
  const items = [];
  const model = new Model();
  const onItem = (item) => {
    items.push(item);
    model.take(item);
  };
  liveSource({ onItem, onStatus: () => {} });
  FakeSource.last.tell("open");
  return { source: FakeSource.last, items, model };
}

// Returns what a cluster told that was there for 30 seconds before now.
function past() {
  const cluster = new MadeUpCluster();
  cluster.time = pageTime() - 30 * SECOND;
  cluster.begin("bonnie").append(0, 2).send("bonnie", 0, 1).pass(2).store("bonnie", 0, 1).ack("bonnie", 0, 1);
  // One tells nothing for long, as in a simulation in which nothing happens.
  cluster.pass(20_000).state("master", { role: "master", secondaries: [row("bonnie")] });
  return cluster.items;
}

test("a page that comes late shows what came before, when it was, and no clock is moved by that", () => {
  const { source, items, model } = opened();
  for (const { at, event, data } of past()) source.tell("past", { ago: pageTime() - at, event, data });
  const now = pageTime();
  assert.ok(Math.abs(now - items[0].at - 30 * SECOND) < SECOND / 2);
  assert.ok(Math.abs(model.now(now) - now) < SECOND / 2, `now is ${model.now(now) - now} µs away`);
  assert.equal(clockWords(model.clocks.facts()), "Times are those of master’s clock.");
  const [append] = model.view(now, true).appends();
  assert.equal(append.acks.length, 2);
  assert.ok(Math.abs(now - append.acceptedAt - 30 * SECOND) < SECOND / 2);
});

// Returns the kinds of the bands that go on.
function bandsThatHold(model) {
  const bands = model.things.between(-Infinity, Infinity).filter(({ type, open }) => type === "band" && open);
  return bands.map(({ kind }) => kind);
}

// Returns what a cluster told whose one node was paused two minutes before now.
function longPaused() {
  const cluster = new MadeUpCluster();
  cluster.time = pageTime() - 120 * SECOND;
  cluster.begin("bonnie").pass(1000);
  cluster.tell("bonnie", "faults", { faults: { ...NO_FAULTS, paused: true } });
  cluster.pass(100_000).state("bonnie", { role: "secondary" });
  return cluster.items;
}

function tellPast(source, items) {
  for (const { at, event, data } of items) source.tell("past", { ago: pageTime() - at, event, data });
}

test("a fault that was set long ago holds on a page that comes late", () => {
  const { source, model } = opened();
  tellPast(source, longPaused());
  assert.deepEqual(bandsThatHold(model), ["paused"]);
});

test("a fault that was set long ago holds on a page that was away meanwhile", () => {
  const { source, model } = opened();
  const items = longPaused();
  tellPast(source, items.slice(0, 2));
  source.tell("open");
  tellPast(source, items.slice(2));
  assert.deepEqual(bandsThatHold(model), ["paused"]);
});

test("what was missed while there was no connection comes when there is one again", () => {
  const { source, items } = opened();
  source.tell("step", { line: 1, text: "run 1s", state: "begins", seen: null });
  source.tell("open");
  const again = pageTime();
  source.tell("past", { ago: 5 * SECOND, event: "missed", data: { count: 1 } });
  source.tell("missed", { count: 2 });
  const times = items.map(({ at }) => at);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  assert.ok(times[1] >= again - SECOND / 2);
});

test("what is no item from before changes nothing", () => {
  const { source, items } = opened();
  const step = { event: "step", data: {} };
  for (const data of [null, 3, {}, { ago: "1", ...step }, { ago: -1, ...step }, { ago: 1, event: 2 }])
    source.tell("past", data);
  // What only this page itself says, and what holds another.
  for (const event of ["connection", "past", "toString"]) source.tell("past", { ago: 1, event, data: {} });
  assert.deepEqual(items, []);
});

test("an item is a day older than the page at most, and a scenario may have stood still for that long", () => {
  const { source, items } = opened();
  const told = pageTime();
  for (const hours of [1e9, 23]) {
    source.tell("past", { ago: hours * 3600 * SECOND, event: "missed", data: { count: 1 } });
  }
  const ages = items.map(({ at }) => Math.round((told - at) / SECOND / 3600));
  assert.deepEqual(ages, [24, 23]);
});
