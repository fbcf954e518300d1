/** What a made-up cluster tells, put together. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { KEPT, Model } from "../../../src/page/model.js";
import { nodeWords } from "../../../src/page/node-words.js";
import { saved } from "../../../src/page/recording.js";
import { MadeUpCluster, row } from "./made-up-cluster.js";

test("an append fills by each ack, and says whom it waits for", () => {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde").append(0, 3);
  cluster.send("bonnie", 0, 1).send("clyde", 0, 1).pass(2).store("bonnie", 0, 1).pass(2).ack("bonnie", 0, 1);
  const [append] = cluster.view.appends();
  assert.deepEqual([append.state, append.w, append.lacking], ["waiting", 3, ["clyde"]]);
  assert.deepEqual(
    append.acks.map(({ node }) => node),
    ["master", "bonnie"],
  );
  cluster.pass(5).store("clyde", 0, 1).pass(1).ack("clyde", 0, 1);
  cluster.tell("master", "answered", { ids: [0, 1], writeConcern: 3, answer: "acked" });
  const [answered] = cluster.view.appends();
  assert.deepEqual([answered.state, answered.lacking, answered.endedAt], ["acked", [], cluster.time]);
});

test("an ack covers all messages below the position that it reports", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  for (let id = 0; id < 5; id += 1) cluster.append(id, 2);
  cluster.pass(1).tell("master", "acked", { peer: "bonnie", ids: [1, 4] });
  const acked = cluster.view.appends().map(({ acks }) => acks.length);
  assert.deepEqual(acked, [1, 2, 2, 2, 1]);
});

test("what was so at a moment of the last minute can be looked at", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.give("messages", { node: "bonnie", from: 0, messages: ["a"] });
  cluster.append(0, 2).pass(1000);
  const before = cluster.time;
  cluster.pass(1000).tell("bonnie", "held", { ids: [2, 3], end: 1 });
  cluster.give("messages", { node: "bonnie", from: 1, messages: ["b"] });
  cluster.state("bonnie", { role: "secondary", logEnd: 2, buffered: 1 });
  cluster.tell("master", "answered", { ids: [0, 1], writeConcern: 2, answer: "acked" });
  const then = cluster.model.view(before);
  const node = then.node("bonnie");
  assert.deepEqual([node.end, node.held, node.text(0)], [1, [], "a"]);
  assert.equal(then.appends()[0].state, "waiting");
  const now = cluster.view;
  assert.deepEqual([now.node("bonnie").end, now.node("bonnie").held], [2, [[2, 3]]]);
  assert.equal(now.appends()[0].state, "acked");
});

test("at a moment of the past, nodes have what events told of them by then", () => {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde");
  for (const node of ["master", "bonnie"]) cluster.give("messages", { node, from: 0, messages: ["a"] });
  cluster.pass(1000).tell("master", "accepted", { ids: [1, 2] });
  const accepted = cluster.time;
  cluster.pass(1).tell("master", "durable", { ids: [1, 2] });
  cluster.pass(1).tell("bonnie", "stored", { ids: [1, 2] });
  cluster.tell("master", "acked", { peer: "bonnie", ids: [1, 2] });
  const [stored, now] = [cluster.time, cluster.view];
  assert.equal(now.node("master").end, 1, "its row comes with its text");
  cluster.pass(100).give("messages", { node: "master", from: 1, messages: ["b"] });
  const before = cluster.model.view(accepted);
  assert.deepEqual([before.node("master").end, before.committedEnd()], [1, 0]);
  const then = cluster.model.view(stored);
  assert.deepEqual(
    then.nodes().map(({ end, text }) => [end, text(1)]),
    [
      [2, "b"],
      [2, "b"],
      [0, "b"],
    ],
  );
  assert.equal(then.committedEnd(), 2);
});

test("a node whose message was lost lacks it, although it does not know of it", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.append(0, 1).pass(100);
  assert.equal(nodeWords(cluster.view.node("bonnie")).text, "ready, has all");
  cluster.pass(1500).state("bonnie", { role: "secondary" });
  assert.equal(nodeWords(cluster.view.node("bonnie")).text, "lacks 1 message");
  cluster.tell("bonnie", "stored", { ids: [0, 1] });
  cluster.give("messages", { node: "master", from: 0, messages: ["a"] });
  assert.equal(nodeWords(cluster.view.node("bonnie")).text, "ready, has all");
});

test("changes that come again after a connection was lost count once", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.tell("bonnie", "started", { end: 0, role: "secondary" });
  cluster.append(0, 2);
  const count = cluster.model.things.count;
  for (const item of [...cluster.items]) if (item.event === "event") assert.equal(cluster.model.take(item), null);
  assert.equal(cluster.model.things.count, count);
});

test("a gap names what is missing over its own time", () => {
  const cluster = new MadeUpCluster().begin("bonnie").pass(1);
  cluster.tell("bonnie", "held", { ids: [6, 7], end: 0 });
  cluster.pass(5).tell("bonnie", "stored", { ids: [0, 5] });
  const gaps = cluster.things("band").filter(({ kind }) => kind === "gap");
  assert.deepEqual(
    gaps.map(({ text, t, end }) => [text, cluster.time - t, end && cluster.time - end]),
    [
      ["gap: 0 is missing", 5000, 0],
      ["gap: 5 is missing", 0, null],
    ],
  );
});

test("messages held above a gap are known until it closes", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.tell("bonnie", "stored", { ids: [0, 4] });
  cluster.tell("bonnie", "held", { ids: [5, 6], end: 4 });
  cluster.tell("bonnie", "held", { ids: [6, 8], end: 4 });
  assert.deepEqual(cluster.view.node("bonnie").held, [[5, 8]]);
  const [gap] = cluster.things("band").filter(({ kind }) => kind === "gap");
  assert.deepEqual([gap.open, gap.text], [true, "gap: 4 is missing"]);
  cluster.pass(3).tell("bonnie", "gap-closed", { ids: [5, 8] });
  cluster.tell("bonnie", "stored", { ids: [4, 8] });
  assert.deepEqual(cluster.view.node("bonnie").held, []);
  assert.equal(gap.end, cluster.time);
});

test("a state without the name of its health is that of the node that tells it", () => {
  const cluster = new MadeUpCluster();
  cluster.state("master", { role: "master", mode: "read-only", name: undefined });
  assert.deepEqual(
    cluster.things("band").map(({ kind, node }) => [kind, node]),
    [["read-only", "master"]],
  );
});

test("silence begins with the last sign of life, and ends when the master hears the node again", () => {
  const cluster = new MadeUpCluster().begin("bonnie").pass(5000);
  const state = (status, lastSeenMs) => {
    cluster.state("master", { role: "master", secondaries: [row("bonnie", { status, lastSeenMs })] });
  };
  state("suspected", 2100);
  const [silence] = cluster.things("band");
  assert.deepEqual([silence.kind, silence.node, silence.open], ["silence", "bonnie", true]);
  assert.equal(silence.t, cluster.time - 2_100_000);
  cluster.pass(1000);
  cluster.tell("master", "health", { peer: "bonnie", status: "healthy" });
  assert.deepEqual([silence.open, silence.end], [false, cluster.time]);
});

test("an event and a state tell the same of a disk", () => {
  const cluster = new MadeUpCluster().begin("bonnie").pass(1000);
  const disk = { state: "failed", detail: "no space" };
  cluster.tell("bonnie", "disk", disk);
  const texts = () => cluster.things("band").map(({ text }) => text);
  assert.deepEqual(texts(), ["its disk is failed: no space"]);
  cluster.state("bonnie", { role: "secondary", disk });
  assert.deepEqual(texts(), ["its disk is failed: no space"]);
  cluster.tell("bonnie", "disk", { state: "ok" });
  assert.ok(cluster.things("band").every(({ open }) => !open));
});

test("faults of which only events tell hold until an event says otherwise, or the node starts anew", () => {
  const cluster = new MadeUpCluster().begin("bonnie").pass(1000);
  const paused = { paused: true, dropRate: 0, duplicateRate: 0, errorRate: 0, storeDelayMs: null, sendDelayMs: null };
  cluster.tell("bonnie", "faults", { faults: paused });
  const [band] = cluster.things("band");
  cluster.pass(1000).state("bonnie", { role: "secondary" }, { faults: null });
  assert.deepEqual([band.kind, band.open], ["paused", true]);
  cluster.pass(1000).tell("bonnie", "started", { role: "secondary", end: 0 });
  assert.deepEqual([band.open, band.end], [false, cluster.time]);
});

test("what was acked to a master that is gone is not acked to the next one", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2).send("bonnie", 0, 1);
  cluster.tell("master", "acked", { peer: "bonnie", ids: [0, 1] });
  assert.equal(cluster.view.node("bonnie").ackedEnd, 1);
  cluster.pass(1000).tell("master", "started", { role: "master", end: 0 });
  cluster.state("master", { role: "master", logEnd: 0, secondaries: [] });
  const { ackedEnd, isMember } = cluster.view.node("bonnie");
  assert.deepEqual([ackedEnd, isMember], [0, false]);
});

test("a node that cannot be reached keeps what was known of it", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.give("messages", { node: "bonnie", from: 0, messages: ["a", "b"] });
  cluster.state("bonnie", null, { reachable: false, detail: "refused", time: cluster.time });
  const node = cluster.view.node("bonnie");
  assert.deepEqual([node.reachable, node.detail, node.role, node.end], [false, "refused", "secondary", 2]);
  assert.deepEqual(
    cluster.things("band").map(({ kind }) => kind),
    ["unreachable"],
  );
});

test("a master that starts again ends the clients of the one before", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2).pass(100);
  cluster.tell("master", "started", { role: "master", end: 0 });
  assert.equal(cluster.view.appends().length, 0);
  const [append] = cluster.things("append");
  assert.deepEqual([append.state, append.open], ["unknown", false]);
  cluster.append(0, 2);
  assert.equal(cluster.view.appends().length, 1);
});

test("a node whose clock was set back before it started again is listened to", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.tell("bonnie", "started", { role: "secondary", end: 0 });
  cluster.tell("bonnie", "stored", { ids: [0, 1] });
  // Its ids begin at the time of its start.
  cluster.pass(1000).newIds("bonnie", -3600e6);
  assert.ok(cluster.tell("bonnie", "started", { role: "secondary", end: 1 }));
  assert.ok(cluster.tell("bonnie", "stored", { ids: [1, 2] }));
  assert.equal(cluster.view.node("bonnie").storedEnd, 2);
  const again = cluster.items.slice(-2);
  for (const item of again) assert.equal(cluster.model.take(item), null, "it came before");
});

test("what was left out is counted", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.give("sampled", { node: "master", leftOut: 100, every: 4 });
  cluster.give("sampled", { node: "bonnie", leftOut: 20, every: 8 });
  cluster.give("missed", { count: 7 });
  cluster.give("messages", { node: "master", from: 1000, messages: ["a"] });
  cluster.give("messages", { node: "master", from: 1031, messages: ["b"] });
  assert.deepEqual(cluster.view.leftOut, { events: 120, messages: 30, every: 8, missed: 7 });
  assert.equal(cluster.view.node("master").from, 1031);
});

test("a client whose answer was left out does not wait for ever", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 2).pass(1500);
  cluster.state("master", {
    role: "master",
    logEnd: 1,
    waitingSenders: 0,
    secondaries: [row("bonnie", { ackedEnd: 1 })],
  });
  const [append] = cluster.view.appends();
  assert.deepEqual([append.state, append.acks.length], ["unknown", 2]);
});

test("another log replaces the texts of the one before", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.give("messages", { node: "bonnie", from: 0, messages: ["a", "b", "c"] });
  cluster.pass(10).give("messages", { node: "bonnie", from: 0, messages: ["x"] });
  const node = cluster.view.node("bonnie");
  assert.deepEqual([node.from, node.text(0), node.text(2)], [0, "x", undefined]);
});

test("what is older than a minute when it comes is not drawn", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.tell("master", "epoch", { epoch: 1 });
  const old = { id: 1, time: cluster.time - KEPT - 1_000_000, node: "clyde", kind: "left", peer: "master" };
  assert.equal(cluster.give("event", old), null);
  assert.deepEqual(
    cluster.things("point").map(({ kind }) => kind),
    ["epoch"],
  );
});

test("only the last minute is kept, however long it runs", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  const sizes = [];
  for (let id = 0; id < 6000; id += 1) {
    cluster.pass(50).append(id, 2).send("bonnie", id, id).pass(1).store("bonnie", id, id).ack("bonnie", id, id);
    cluster.tell("master", "answered", { ids: [id, id + 1], writeConcern: 2, answer: "acked" });
    if (id % 20 === 0)
      cluster.give("messages", { node: "bonnie", from: Math.max(0, id - 20), messages: Array(20).fill("m") });
    if (id % 2000 === 1999) sizes.push([cluster.model.things.count, cluster.model.items().length]);
    cluster.items.length = 0;
  }
  const [things, items] = sizes[0];
  for (const size of sizes.slice(1)) {
    assert.ok(Math.abs(size[0] - things) < things / 20, `${size[0]} things after ${things}`);
    assert.ok(Math.abs(size[1] - items) < items / 20, `${size[1]} items after ${items}`);
  }
  assert.ok(cluster.view.node("bonnie").texts.size <= 2000);
});

test("a model that keeps all forgets nothing", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 1);
  cluster.tell("master", "answered", { ids: [0, 1], writeConcern: 1, answer: "acked" });
  const then = cluster.time;
  cluster.model.keepAll(true);
  cluster.pass(KEPT / 500).append(1, 1);
  assert.equal(cluster.model.view(then).appends().length, 1);
  cluster.model.keepAll(false);
  cluster.pass(2000).append(2, 1);
  assert.equal(cluster.model.view(then).appends().length, 0);
});

test("a page can be stepped back before the earliest change that is kept", () => {
  const cluster = new MadeUpCluster().begin("bonnie").pass(1000);
  const then = cluster.time;
  for (let id = 1; id <= 5000; id += 1) cluster.pass(10).tell("bonnie", "held", { ids: [2 * id, 2 * id + 1], end: 1 });
  const { held, end, texts } = cluster.model.view(then).node("bonnie");
  assert.deepEqual([held, end, texts.size], [[], 0, 0]);
  assert.ok(cluster.view.node("bonnie").held.length > 0);
});

test("a page that is frozen while too much comes can be stepped back to where it was frozen", () => {
  const cluster = new MadeUpCluster().begin("bonnie").pass(1000);
  const then = cluster.time;
  cluster.model.keepAll(true);
  for (let id = 0; id < 100; id += 1) cluster.pass(10).give("messages", { node: "bonnie", from: id, messages: ["m"] });
  cluster.pass((2 * KEPT) / 1000);
  for (let count = 0; count < 400_000; count += 1) cluster.give("missed", { count });
  cluster.pass(1100).give("missed", { count: 0 });
  const node = cluster.model.view(then).node("bonnie");
  assert.deepEqual([node.end, node.texts.size, node.held], [0, 0, []]);
  assert.equal(cluster.view.node("bonnie").end, 100);
  assert.ok(saved(cluster.model, 0).length > 0);
});

test("colors go to the master first, then by name, and stay", () => {
  const cluster = new MadeUpCluster({ model: new Model() });
  cluster.state("clyde", { role: "secondary" });
  const colors = () => Object.fromEntries(cluster.view.nodes().map(({ name, color }) => [name, color]));
  assert.deepEqual(colors(), { clyde: 1 });
  cluster.begin("bonnie", "clyde");
  assert.deepEqual(colors(), { master: 0, bonnie: 1, clyde: 2 });
  cluster.state("anna", { role: "secondary" });
  assert.deepEqual(colors(), { master: 0, bonnie: 1, clyde: 2, anna: 3 });
});

test("a look at the nodes changes no color", () => {
  const colors = (looks) => {
    const cluster = new MadeUpCluster();
    const look = () => looks && cluster.view.nodes();
    for (const name of ["bonnie", "master", "clyde", "anna"]) {
      const rows = ["bonnie", "clyde"].map((it) => row(it));
      if (name === "master") cluster.state(name, { role: name, secondaries: rows });
      else cluster.state(name, { role: "secondary" });
      look();
    }
    return [...cluster.model.colors()];
  };
  assert.deepEqual(colors(false), colors(true));
  assert.deepEqual(new Map(colors(false)).get("anna"), 3);
});

test("rates count appends also where their events were left out", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.time = Math.ceil(cluster.time / 1_000_000) * 1_000_000;
  cluster.append(0, 1);
  cluster.state("master", { role: "master", logEnd: 500, waitingSenders: 3 });
  cluster.pass(1000).append(500, 1);
  const [before, last] = cluster.model.rates.series(cluster.time + 1_000_000, 2);
  assert.deepEqual([before.appends, before.waiting, last.appends], [500, 3, 1]);
});

test("items that are not what their name says change nothing", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  const count = cluster.model.things.count;
  for (const [event, data] of [
    ["event", { id: 9e15, time: 1, node: "x", kind: "stored" }],
    ["event", { id: 9e15, time: 1, node: "x", kind: "stored", ids: ["0", 1] }],
    ["event", null],
    ["state", { node: "x", time: 1, reachable: true, health: { role: "master", secondaries: 3 } }],
    ["messages", { node: "x", from: 0, messages: [1] }],
    ["never heard of", {}],
  ])
    cluster.give(event, data);
  assert.equal(cluster.model.things.count, count);
  assert.deepEqual(
    cluster.view.nodes().map(({ name }) => name),
    ["master", "bonnie"],
  );
});

test("a file with many names does not fill the page", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  for (let number = 0; number < 200; number += 1) cluster.state(`n${number}`, { role: "secondary" });
  const rows = Array.from({ length: 200 }, (_, number) => row(`r${number}`));
  cluster.state("master", { role: "master", secondaries: rows });
  assert.equal(cluster.view.nodes().length, 64);
});

test("a state that messages overtook takes nothing from the list", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.give("messages", { node: "bonnie", from: 0, messages: ["a", "b"] });
  cluster.state("bonnie", { role: "secondary", logEnd: 1 });
  cluster.give("messages", { node: "bonnie", from: 2, messages: ["c"] });
  const node = cluster.view.node("bonnie");
  assert.deepEqual([node.from, node.end, cluster.view.leftOut.messages], [0, 3, 0]);
});

test("a list that became shorter forgets what is gone", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.give("messages", { node: "bonnie", from: 0, messages: ["a", "b"] });
  const then = cluster.time + 1;
  cluster.pass(10).give("messages", { node: "bonnie", from: 0, messages: [] });
  assert.deepEqual([cluster.view.node("bonnie").end, cluster.view.node("bonnie").text(1)], [0, undefined]);
  assert.equal(cluster.model.view(then).node("bonnie").text(1), "b");
});
