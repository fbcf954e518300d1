/** The figures of the head. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { healthyFigure } from "../../../src/page/view-cluster.js";
import { MadeUpCluster, NO_FAULTS, row } from "./made-up-cluster.js";

const ROWS = [row("bonnie"), row("clyde")];

test("a node that the master suspects is not counted as healthy", () => {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde");
  assert.deepEqual(healthyFigure(cluster.view), ["3", " of 3", ""]);
  const secondaries = [row("bonnie"), row("clyde", { status: "suspected" })];
  cluster.pass(1).state("master", { role: "master", secondaries });
  assert.deepEqual(healthyFigure(cluster.view), ["2", " of 3", "waiting"]);
});

test("how many nodes are healthy is not known while the master is paused", () => {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde");
  const faults = { ...NO_FAULTS, paused: true };
  const quorum = { required: 2, healthy: 3 };
  cluster.pass(1).state("master", { role: "master", secondaries: ROWS, quorum }, { faults });
  assert.deepEqual(healthyFigure(cluster.view), ["?", " of 3, quorum 2", "waiting"]);
});

test("a node that says that it is not connected is not counted as healthy", () => {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde");
  cluster.pass(1).state("clyde", { role: "secondary", phase: "connecting" });
  assert.deepEqual(healthyFigure(cluster.view), ["2", " of 3", "waiting"]);
  cluster.state("bonnie", { role: "secondary", phase: "connecting" });
  cluster.state("master", { role: "master", secondaries: ROWS, quorum: { required: 2, healthy: 3 } });
  assert.deepEqual(healthyFigure(cluster.view), ["1", " of 3, quorum 2", "alarm"]);
});

test("the page of a secondary alone does not know how many nodes are healthy", () => {
  const cluster = new MadeUpCluster();
  cluster.state("bonnie", { role: "secondary" });
  assert.equal(healthyFigure(cluster.view)[0], null);
});
