/** What a made-up cluster tells, put together. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { KEPT, Model } from "../../../src/page/model.js";
import { saved } from "../../../src/page/recording.js";
import { row, Story } from "./items.js";

test("an append fills by each ack, and says whom it waits for", () => {
  const story = new Story().begin("bonnie", "clyde").append(0, 3);
  story.send("bonnie", 0, 1).send("clyde", 0, 1).pass(2).store("bonnie", 0, 1).pass(2).ack("bonnie", 0, 1);
  const [append] = story.view.appends();
  assert.deepEqual([append.state, append.w, append.lacking], ["waiting", 3, ["clyde"]]);
  assert.deepEqual(
    append.acks.map(({ node }) => node),
    ["master", "bonnie"],
  );
  story.pass(5).store("clyde", 0, 1).pass(1).ack("clyde", 0, 1);
  story.tell("master", "answered", { ids: [0, 1], writeConcern: 3, answer: "acked" });
  const [answered] = story.view.appends();
  assert.deepEqual([answered.state, answered.lacking, answered.endedAt], ["acked", [], story.time]);
});

test("an ack covers all messages below the position that it reports", () => {
  const story = new Story().begin("bonnie");
  for (let id = 0; id < 5; id += 1) story.append(id, 2);
  story.pass(1).tell("master", "acked", { peer: "bonnie", ids: [1, 4] });
  const acked = story.view.appends().map(({ acks }) => acks.length);
  assert.deepEqual(acked, [1, 2, 2, 2, 1]);
});

test("what was so at a moment of the last minute can be looked at", () => {
  const story = new Story().begin("bonnie");
  story.give("messages", { node: "bonnie", from: 0, messages: ["a"] });
  story.append(0, 2).pass(1000);
  const before = story.time;
  story.pass(1000).tell("bonnie", "held", { ids: [2, 3], end: 1 });
  story.give("messages", { node: "bonnie", from: 1, messages: ["b"] });
  story.state("bonnie", { role: "secondary", logEnd: 2, buffered: 1 });
  story.tell("master", "answered", { ids: [0, 1], writeConcern: 2, answer: "acked" });
  const then = story.model.view(before);
  const node = then.node("bonnie");
  assert.deepEqual([node.end, node.held, node.text(0)], [1, [], "a"]);
  assert.equal(then.appends()[0].state, "waiting");
  const now = story.view;
  assert.deepEqual([now.node("bonnie").end, now.node("bonnie").held], [2, [[2, 3]]]);
  assert.equal(now.appends()[0].state, "acked");
});

test("changes that come again after a connection was lost count once", () => {
  const story = new Story().begin("bonnie");
  story.tell("bonnie", "started", { end: 0, role: "secondary" });
  story.append(0, 2);
  const count = story.model.things.count;
  for (const item of [...story.items]) if (item.event === "event") assert.equal(story.model.take(item), null);
  assert.equal(story.model.things.count, count);
});

test("messages held above a gap are known until it closes", () => {
  const story = new Story().begin("bonnie");
  story.tell("bonnie", "stored", { ids: [0, 4] });
  story.tell("bonnie", "held", { ids: [5, 6], end: 4 });
  story.tell("bonnie", "held", { ids: [6, 8], end: 4 });
  assert.deepEqual(story.view.node("bonnie").held, [[5, 8]]);
  const [gap] = story.things("band").filter(({ kind }) => kind === "gap");
  assert.deepEqual([gap.open, gap.text], [true, "gap: message 4 is missing"]);
  story.pass(3).tell("bonnie", "gap-closed", { ids: [5, 8] });
  story.tell("bonnie", "stored", { ids: [4, 8] });
  assert.deepEqual(story.view.node("bonnie").held, []);
  assert.equal(gap.end, story.time);
});

test("a state without the name of its health is that of the node that tells it", () => {
  const story = new Story();
  story.state("master", { role: "master", mode: "read-only", name: undefined });
  assert.deepEqual(
    story.things("band").map(({ kind, node }) => [kind, node]),
    [["read-only", "master"]],
  );
});

test("silence begins with the last sign of life, and ends when the master hears the node again", () => {
  const story = new Story().begin("bonnie").pass(5000);
  const state = (status, lastSeenMs) => {
    story.state("master", { role: "master", secondaries: [row("bonnie", { status, lastSeenMs })] });
  };
  state("suspected", 2100);
  const [silence] = story.things("band");
  assert.deepEqual([silence.kind, silence.node, silence.open], ["silence", "bonnie", true]);
  assert.equal(silence.t, story.time - 2_100_000);
  story.pass(1000);
  story.tell("master", "health", { peer: "bonnie", status: "healthy" });
  assert.deepEqual([silence.open, silence.end], [false, story.time]);
});

test("an event and a state tell the same of a disk", () => {
  const story = new Story().begin("bonnie").pass(1000);
  const disk = { state: "failed", detail: "no space" };
  story.tell("bonnie", "disk", disk);
  const texts = () => story.things("band").map(({ text }) => text);
  assert.deepEqual(texts(), ["its disk is failed: no space"]);
  story.state("bonnie", { role: "secondary", disk });
  assert.deepEqual(texts(), ["its disk is failed: no space"]);
  story.tell("bonnie", "disk", { state: "ok" });
  assert.ok(story.things("band").every(({ open }) => !open));
});

test("faults of which only events tell hold until an event says otherwise, or the node starts anew", () => {
  const story = new Story().begin("bonnie").pass(1000);
  const paused = { paused: true, dropRate: 0, duplicateRate: 0, errorRate: 0, storeDelayMs: null, sendDelayMs: null };
  story.tell("bonnie", "faults", { faults: paused });
  const [band] = story.things("band");
  story.pass(1000).state("bonnie", { role: "secondary" }, { faults: null });
  assert.deepEqual([band.kind, band.open], ["paused", true]);
  story.pass(1000).tell("bonnie", "started", { role: "secondary", end: 0 });
  assert.deepEqual([band.open, band.end], [false, story.time]);
});

test("what was acked to a master that is gone is not acked to the next one", () => {
  const story = new Story().begin("bonnie").append(0, 2).send("bonnie", 0, 1);
  story.tell("master", "acked", { peer: "bonnie", ids: [0, 1] });
  assert.equal(story.view.node("bonnie").ackedEnd, 1);
  story.pass(1000).tell("master", "started", { role: "master", end: 0 });
  story.state("master", { role: "master", logEnd: 0, secondaries: [] });
  const { ackedEnd, isMember } = story.view.node("bonnie");
  assert.deepEqual([ackedEnd, isMember], [0, false]);
});

test("a node that cannot be reached keeps what was known of it", () => {
  const story = new Story().begin("bonnie");
  story.give("messages", { node: "bonnie", from: 0, messages: ["a", "b"] });
  story.state("bonnie", null, { reachable: false, detail: "refused", time: story.time });
  const node = story.view.node("bonnie");
  assert.deepEqual([node.reachable, node.detail, node.role, node.end], [false, "refused", "secondary", 2]);
  assert.deepEqual(
    story.things("band").map(({ kind }) => kind),
    ["unreachable"],
  );
});

// Returns a cluster whose clyde is away, then forgotten, and one whose clyde was refused instead.
function withoutClyde(refused = []) {
  const story = new Story({ ahead: { clyde: 5e6 } }).begin("bonnie", "clyde").append(0, 3).pass(1000);
  assert.deepEqual(
    story.view.clock.moved.map(({ name }) => name),
    ["clyde"],
  );
  story.state("clyde", null, { reachable: false, detail: "refused", time: story.time });
  const gone = row("clyde", { status: "unhealthy", phase: "disconnected", lastSeenMs: 5000 });
  story.state("master", { role: "master", secondaries: [row("bonnie"), gone] });
  story.pass(1000).state("master", { role: "master", secondaries: [row("bonnie")], refused });
  return story;
}

const laneNames = (story) => story.view.lanes().map(({ name }) => name);

test("a secondary that is forgotten has no lane and no band, and nobody waits for it", () => {
  const story = withoutClyde();
  assert.deepEqual(
    story.things("band").map(({ kind, open, end }) => [kind, open, end]),
    [
      ["silence", false, story.time],
      ["unreachable", false, story.time],
    ],
  );
  assert.deepEqual(laneNames(story), ["master", "bonnie"]);
  assert.deepEqual(story.view.appends()[0].lacking, ["bonnie"]);
  assert.ok(story.model.view(story.time - 1).lanes().length === 3, "it was there a moment ago");
  story.pass(500).give("connection", { open: false });
  assert.ok(story.things("band").every(({ node, open }) => node !== "clyde" || !open));
});

test("a secondary that was forgotten is no more after a minute, and comes back as a new one", () => {
  const story = withoutClyde();
  const master = { role: "master", secondaries: [row("bonnie")] };
  const names = () => story.view.nodes().map(({ name }) => name);
  story.give("messages", { node: "clyde", from: 0, messages: [] });
  story.give("messages", { node: "clyde", from: 7, messages: ["a"] });
  for (let second = 0; second < 59; second += 1) story.pass(1000).state("master", master);
  assert.deepEqual(names(), ["master", "bonnie", "clyde"]);
  for (let second = 0; second < 4; second += 1) story.pass(1000).state("master", master);
  assert.deepEqual([names(), story.view.leftOut.messages], [["master", "bonnie"], 7]);
  assert.deepEqual(story.view.clock.moved, []);
  story.state("clyde", { role: "secondary" });
  story.state("master", { ...master, secondaries: [row("bonnie"), row("clyde")] });
  assert.deepEqual(laneNames(story), ["master", "bonnie", "clyde"]);
});

test("a secondary that is refused, or tells how it is, is not forgotten", () => {
  assert.deepEqual(laneNames(withoutClyde([{ name: "clyde", code: "other-log" }])), ["master", "bonnie", "clyde"]);
  const story = new Story().begin("bonnie");
  const master = { role: "master", secondaries: [row("bonnie")] };
  story.state("clyde", { role: "secondary" });
  story.state("master", master);
  assert.deepEqual(laneNames(story), ["master", "bonnie", "clyde"]);
  // One that was forgotten while it was paused told last that it is reachable.
  for (let second = 0; second < 10; second += 1) story.pass(1000).state("master", master);
  assert.deepEqual(laneNames(story), ["master", "bonnie"]);
});

test("a master that starts again ends the clients of the one before", () => {
  const story = new Story().begin("bonnie").append(0, 2).pass(100);
  story.tell("master", "started", { role: "master", end: 0 });
  assert.equal(story.view.appends().length, 0);
  const [append] = story.things("append");
  assert.deepEqual([append.state, append.open], ["unknown", false]);
  story.append(0, 2);
  assert.equal(story.view.appends().length, 1);
});

test("a node whose clock was set back before it started again is listened to", () => {
  const story = new Story().begin("bonnie");
  story.tell("bonnie", "started", { role: "secondary", end: 0 });
  story.tell("bonnie", "stored", { ids: [0, 1] });
  // Its ids begin at the time of its start.
  story.pass(1000).newIds("bonnie", -3600e6);
  assert.ok(story.tell("bonnie", "started", { role: "secondary", end: 1 }));
  assert.ok(story.tell("bonnie", "stored", { ids: [1, 2] }));
  assert.equal(story.view.node("bonnie").storedEnd, 2);
  const again = story.items.slice(-2);
  for (const item of again) assert.equal(story.model.take(item), null, "it came before");
});

test("what was left out is counted", () => {
  const story = new Story().begin("bonnie");
  story.give("sampled", { node: "master", leftOut: 100, every: 4 });
  story.give("sampled", { node: "bonnie", leftOut: 20, every: 8 });
  story.give("missed", { count: 7 });
  story.give("messages", { node: "master", from: 1000, messages: ["a"] });
  story.give("messages", { node: "master", from: 1031, messages: ["b"] });
  assert.deepEqual(story.view.leftOut, { events: 120, messages: 30, every: 8, missed: 7 });
  assert.equal(story.view.node("master").from, 1031);
});

test("a client whose answer was left out does not wait for ever", () => {
  const story = new Story().begin("bonnie").append(0, 2).pass(1500);
  story.state("master", {
    role: "master",
    logEnd: 1,
    waitingSenders: 0,
    secondaries: [row("bonnie", { ackedEnd: 1 })],
  });
  const [append] = story.view.appends();
  assert.deepEqual([append.state, append.acks.length], ["unknown", 2]);
});

test("another log replaces the texts of the one before", () => {
  const story = new Story().begin("bonnie");
  story.give("messages", { node: "bonnie", from: 0, messages: ["a", "b", "c"] });
  story.pass(10).give("messages", { node: "bonnie", from: 0, messages: ["x"] });
  const node = story.view.node("bonnie");
  assert.deepEqual([node.from, node.text(0), node.text(2)], [0, "x", undefined]);
});

test("what is older than a minute when it comes is not drawn", () => {
  const story = new Story().begin("bonnie");
  story.tell("master", "epoch", { epoch: 1 });
  const old = { id: 1, time: story.time - KEPT - 1_000_000, node: "clyde", kind: "left", peer: "master" };
  assert.equal(story.give("event", old), null);
  assert.deepEqual(
    story.things("point").map(({ kind }) => kind),
    ["epoch"],
  );
});

test("only the last minute is kept, however long it runs", () => {
  const story = new Story().begin("bonnie");
  const sizes = [];
  for (let id = 0; id < 6000; id += 1) {
    story.pass(50).append(id, 2).send("bonnie", id, id).pass(1).store("bonnie", id, id).ack("bonnie", id, id);
    story.tell("master", "answered", { ids: [id, id + 1], writeConcern: 2, answer: "acked" });
    if (id % 20 === 0)
      story.give("messages", { node: "bonnie", from: Math.max(0, id - 20), messages: Array(20).fill("m") });
    if (id % 2000 === 1999) sizes.push([story.model.things.count, story.model.items().length]);
    story.items.length = 0;
  }
  const [things, items] = sizes[0];
  for (const size of sizes.slice(1)) {
    assert.ok(Math.abs(size[0] - things) < things / 20, `${size[0]} things after ${things}`);
    assert.ok(Math.abs(size[1] - items) < items / 20, `${size[1]} items after ${items}`);
  }
  assert.ok(story.view.node("bonnie").texts.size <= 2000);
});

test("a model that keeps all forgets nothing", () => {
  const story = new Story().begin("bonnie").append(0, 1);
  story.tell("master", "answered", { ids: [0, 1], writeConcern: 1, answer: "acked" });
  const then = story.time;
  story.model.keepAll(true);
  story.pass(KEPT / 500).append(1, 1);
  assert.equal(story.model.view(then).appends().length, 1);
  story.model.keepAll(false);
  story.pass(2000).append(2, 1);
  assert.equal(story.model.view(then).appends().length, 0);
});

test("a page can be stepped back before the earliest change that is kept", () => {
  const story = new Story().begin("bonnie").pass(1000);
  const then = story.time;
  for (let id = 1; id <= 5000; id += 1) story.pass(10).tell("bonnie", "held", { ids: [2 * id, 2 * id + 1], end: 1 });
  const { held, end, texts } = story.model.view(then).node("bonnie");
  assert.deepEqual([held, end, texts.size], [[], 0, 0]);
  assert.ok(story.view.node("bonnie").held.length > 0);
});

test("a page that is frozen while too much comes can be stepped back to where it was frozen", () => {
  const story = new Story().begin("bonnie").pass(1000);
  const then = story.time;
  story.model.keepAll(true);
  for (let id = 0; id < 100; id += 1) story.pass(10).give("messages", { node: "bonnie", from: id, messages: ["m"] });
  story.pass((2 * KEPT) / 1000);
  for (let count = 0; count < 400_000; count += 1) story.give("missed", { count });
  story.pass(1100).give("missed", { count: 0 });
  const node = story.model.view(then).node("bonnie");
  assert.deepEqual([node.end, node.texts.size, node.held], [0, 0, []]);
  assert.equal(story.view.node("bonnie").end, 100);
  assert.ok(saved(story.model, 0).length > 0);
});

test("colors go to the master first, then by name, and stay", () => {
  const story = new Story({ model: new Model() });
  story.state("clyde", { role: "secondary" });
  const colors = () => Object.fromEntries(story.view.nodes().map(({ name, color }) => [name, color]));
  assert.deepEqual(colors(), { clyde: 1 });
  story.begin("bonnie", "clyde");
  assert.deepEqual(colors(), { master: 0, bonnie: 1, clyde: 2 });
  story.state("anna", { role: "secondary" });
  assert.deepEqual(colors(), { master: 0, bonnie: 1, clyde: 2, anna: 3 });
});

test("a look at the nodes changes no color", () => {
  const colors = (looks) => {
    const story = new Story();
    const look = () => looks && story.view.nodes();
    for (const name of ["bonnie", "master", "clyde", "anna"]) {
      const rows = ["bonnie", "clyde"].map((it) => row(it));
      if (name === "master") story.state(name, { role: name, secondaries: rows });
      else story.state(name, { role: "secondary" });
      look();
    }
    return [...story.model.colors()];
  };
  assert.deepEqual(colors(false), colors(true));
  assert.deepEqual(new Map(colors(false)).get("anna"), 3);
});

test("rates count appends also where their events were left out", () => {
  const story = new Story().begin("bonnie");
  story.time = Math.ceil(story.time / 1_000_000) * 1_000_000;
  story.append(0, 1);
  story.state("master", { role: "master", logEnd: 500, waitingSenders: 3 });
  story.pass(1000).append(500, 1);
  const [before, last] = story.model.rates.series(story.time + 1_000_000, 2);
  assert.deepEqual([before.appends, before.waiting, last.appends], [500, 3, 1]);
});

test("items that are not what their name says change nothing", () => {
  const story = new Story().begin("bonnie");
  const count = story.model.things.count;
  for (const [event, data] of [
    ["event", { id: 9e15, time: 1, node: "x", kind: "stored" }],
    ["event", { id: 9e15, time: 1, node: "x", kind: "stored", ids: ["0", 1] }],
    ["event", null],
    ["state", { node: "x", time: 1, reachable: true, health: { role: "master", secondaries: 3 } }],
    ["messages", { node: "x", from: 0, messages: [1] }],
    ["never heard of", {}],
  ])
    story.give(event, data);
  assert.equal(story.model.things.count, count);
  assert.deepEqual(
    story.view.nodes().map(({ name }) => name),
    ["master", "bonnie"],
  );
});

test("a file with many names does not fill the page", () => {
  const story = new Story().begin("bonnie");
  for (let number = 0; number < 200; number += 1) story.state(`n${number}`, { role: "secondary" });
  const rows = Array.from({ length: 200 }, (_, number) => row(`r${number}`));
  story.state("master", { role: "master", secondaries: rows });
  assert.equal(story.view.nodes().length, 64);
});

test("a state that messages overtook takes nothing from the list", () => {
  const story = new Story().begin("bonnie");
  story.give("messages", { node: "bonnie", from: 0, messages: ["a", "b"] });
  story.state("bonnie", { role: "secondary", logEnd: 1 });
  story.give("messages", { node: "bonnie", from: 2, messages: ["c"] });
  const node = story.view.node("bonnie");
  assert.deepEqual([node.from, node.end, story.view.leftOut.messages], [0, 3, 0]);
});

test("a list that became shorter forgets what is gone", () => {
  const story = new Story().begin("bonnie");
  story.give("messages", { node: "bonnie", from: 0, messages: ["a", "b"] });
  const then = story.time + 1;
  story.pass(10).give("messages", { node: "bonnie", from: 0, messages: [] });
  assert.deepEqual([story.view.node("bonnie").end, story.view.node("bonnie").text(1)], [0, undefined]);
  assert.equal(story.model.view(then).node("bonnie").text(1), "b");
});
