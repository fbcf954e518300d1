/** Clocks of nodes that differ, and what is placed by them. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Clocks } from "../../../src/page/clock.js";
import { clockWords } from "../../../src/page/words.js";
import { MadeUpCluster, row } from "./made-up-cluster.js";

// Returns the clocks after exchanges of the master with bonnie, whose clock is so many µs ahead. A
// frame takes `way` µs there and back.
function clocks(ahead, way, exchanges = 1) {
  const known = new Clocks();
  known.refer("master");
  for (let number = 0; number < exchanges; number += 1) {
    const sent = number * 1_000_000;
    const received = { node: "bonnie", time: sent + way + ahead };
    known.order({ node: "master", time: sent }, received);
    known.order(received, { node: "master", time: sent + 2 * way });
  }
  return known;
}

test("clocks that agree are used as they are", () => {
  const known = clocks(0, 500, 5);
  assert.equal(known.place("bonnie", 12_345), 12_345);
  assert.equal(clockWords(known.facts()), "Times are those of master’s clock.");
});

test("a clock that is ahead is moved to the middle of what causes allow, and the page says so", () => {
  const known = clocks(3_200_000, 400, 3);
  assert.equal(known.place("bonnie", 3_200_000), 0);
  const { shift, within } = known.of("bonnie");
  assert.deepEqual([shift, within], [3_200_000, 400]);
  assert.equal(
    clockWords(known.facts()),
    "Times are those of master’s clock. bonnie’s clock is 3.2 s ahead; its events are moved by that (±0.4 ms).",
  );
  assert.match(clockWords(clocks(-45_000, 400).facts()), /bonnie’s clock is 45 ms behind;/);
});

test("of a frame that was only received the clock is moved no further than its cause demands", () => {
  const known = new Clocks();
  known.refer("master");
  known.order({ node: "master", time: 5_000_000 }, { node: "bonnie", time: 1_000_000 });
  assert.equal(known.place("bonnie", 1_000_000), 5_000_000);
});

test("a clock that is set while it runs is followed", () => {
  const known = clocks(0, 300, 3);
  const ahead = 10_000_000;
  for (let number = 100; number < 103; number += 1) {
    const sent = number * 1_000_000;
    known.order({ node: "master", time: sent }, { node: "bonnie", time: sent + ahead + 300 });
    known.order({ node: "bonnie", time: sent + ahead + 300 }, { node: "master", time: sent + 600 });
  }
  assert.equal(known.of("bonnie").shift, ahead);
});

test("before the first exchange the times of arrival tell a large difference", () => {
  const cluster = new MadeUpCluster({ ahead: { bonnie: 60_000_000 } });
  cluster.begin("bonnie");
  const news = cluster.tell("bonnie", "stored", { ids: [0, 1] });
  assert.equal(news.t, cluster.time);
});

test("what a master tells again of long ago says nothing of the clocks, also where its state is late", () => {
  const cluster = new MadeUpCluster();
  cluster.ahead.master = -1_900e6;
  cluster.tell("master", "started", { role: "master" });
  cluster.ahead.master = 0;
  cluster.state("bonnie", { role: "secondary" });
  const { clocks } = cluster.model;
  assert.deepEqual(clocks.facts().moved, []);
  cluster.begin("bonnie");
  assert.equal(clockWords(clocks.facts()), "Times are those of master’s clock.");
});

test("virtual time is never moved", () => {
  const known = new Clocks(true);
  known.order({ node: "master", time: 5 }, { node: "bonnie", time: 1 });
  assert.equal(known.place("bonnie", 1), 1);
  assert.equal(known.now(77), 77);
  assert.equal(clockWords(known.facts()), "Times are the virtual time of a simulation.");
});

test("where no master is known, times are those of the node that serves the page", () => {
  const cluster = new MadeUpCluster({ ahead: { bonnie: -7_000_000 } });
  cluster.state("bonnie", { role: "secondary" });
  const { clocks } = cluster.model;
  assert.equal(clockWords(clocks.facts()), "Times are those of bonnie’s clock.");
  assert.equal(cluster.model.now(cluster.time + 1000), cluster.time - 7_000_000);
});

test("a master whose clock is set back is followed at once, and so is what holds", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  const state = (status) => {
    const secondaries = [row("bonnie", { status, lastSeenMs: 0 })];
    cluster.state("master", { role: "master", secondaries });
  };
  cluster.tell("master", "joined", { peer: "bonnie" });
  cluster.tell("bonnie", "joined", { peer: "master" });
  const open = () => cluster.things("band").filter((thing) => thing.open);
  state("suspected");
  cluster.give("messages", { node: "bonnie", from: 0, messages: ["a"] });
  assert.equal(open().length, 1);
  cluster.ahead.master = -120e6;
  cluster.pass(1000);
  state("suspected");
  const axis = () => cluster.time + cluster.ahead.master;
  assert.equal(cluster.model.now(cluster.time + 1000), axis());
  const [band] = open();
  assert.deepEqual([open().length, band.kind, band.t], [1, "silence", axis()]);
  assert.equal(cluster.tell("master", "epoch", { epoch: 2 })?.t, axis());
  cluster.pass(1000);
  state("healthy");
  assert.deepEqual([open().length, band.end], [0, axis()]);
  cluster.append(0, 2).send("bonnie", 0, 1).store("bonnie", 0, 1).ack("bonnie", 0, 1);
  assert.equal(cluster.model.clocks.of("bonnie").shift, 120e6);
  assert.equal(cluster.things("exchange").length, 1, "a frame and its answer are put together");
  // Stepping back shows what was so on the axis that is in force.
  cluster.give("messages", { node: "bonnie", from: 1, messages: ["b"] });
  cluster.pass(1000);
  state("healthy");
  const view = cluster.model.view(axis());
  assert.deepEqual([view.node("bonnie").end, view.node("master").health.logEnd], [2, 0]);
  assert.equal(cluster.model.view(axis()).node("bonnie").stateTime !== null, true);
});
