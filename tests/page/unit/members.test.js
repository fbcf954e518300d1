/** Secondaries that are forgotten, and those that are not. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { MadeUpCluster, row } from "./made-up-cluster.js";

// Returns a cluster whose clyde is away, then forgotten, and one whose clyde was refused instead.
function withoutClyde(refused = []) {
  const cluster = new MadeUpCluster({ ahead: { clyde: 5e6 } }).begin("bonnie", "clyde").append(0, 3).pass(1000);
  assert.deepEqual(
    cluster.view.clock.moved.map(({ name }) => name),
    ["clyde"],
  );
  cluster.state("clyde", null, { reachable: false, detail: "refused", time: cluster.time });
  const gone = row("clyde", { status: "unhealthy", phase: "disconnected", lastSeenMs: 5000 });
  cluster.state("master", { role: "master", secondaries: [row("bonnie"), gone] });
  cluster.pass(1000).state("master", { role: "master", secondaries: [row("bonnie")], refused });
  return cluster;
}

const laneNames = (cluster) => cluster.view.lanes().map(({ name }) => name);

test("a secondary that is forgotten has no lane and no band, and nobody waits for it", () => {
  const cluster = withoutClyde();
  assert.deepEqual(
    cluster.things("band").map(({ kind, open, end }) => [kind, open, end]),
    [
      ["silence", false, cluster.time],
      ["unreachable", false, cluster.time],
    ],
  );
  assert.deepEqual(laneNames(cluster), ["master", "bonnie"]);
  assert.deepEqual(cluster.view.appends()[0].lacking, ["bonnie"]);
  assert.ok(cluster.model.view(cluster.time - 1).lanes().length === 3, "it was there a moment ago");
  cluster.pass(500).give("connection", { open: false });
  assert.ok(cluster.things("band").every(({ node, open }) => node !== "clyde" || !open));
});

test("a secondary that was forgotten is no more after a minute, and comes back as a new one", () => {
  const cluster = withoutClyde();
  const master = { role: "master", secondaries: [row("bonnie")] };
  const names = () => cluster.view.nodes().map(({ name }) => name);
  cluster.give("messages", { node: "clyde", from: 0, messages: [] });
  cluster.give("messages", { node: "clyde", from: 7, messages: ["a"] });
  for (let second = 0; second < 59; second += 1) cluster.pass(1000).state("master", master);
  assert.deepEqual(names(), ["master", "bonnie", "clyde"]);
  for (let second = 0; second < 4; second += 1) cluster.pass(1000).state("master", master);
  assert.deepEqual([names(), cluster.view.leftOut.messages], [["master", "bonnie"], 7]);
  assert.deepEqual(cluster.view.clock.moved, []);
  cluster.state("clyde", { role: "secondary" });
  cluster.state("master", { ...master, secondaries: [row("bonnie"), row("clyde")] });
  assert.deepEqual(laneNames(cluster), ["master", "bonnie", "clyde"]);
});

test("a secondary that is refused, or tells how it is, is not forgotten", () => {
  assert.deepEqual(laneNames(withoutClyde([{ name: "clyde", code: "other-log" }])), ["master", "bonnie", "clyde"]);
  const cluster = new MadeUpCluster().begin("bonnie");
  const master = { role: "master", secondaries: [row("bonnie")] };
  cluster.state("clyde", { role: "secondary" });
  cluster.state("master", master);
  assert.deepEqual(laneNames(cluster), ["master", "bonnie", "clyde"]);
  // One that was forgotten while it was paused told last that it is reachable.
  for (let second = 0; second < 10; second += 1) cluster.pass(1000).state("master", master);
  assert.deepEqual(laneNames(cluster), ["master", "bonnie"]);
});
