/** Buttons of faults, and the commands that they send. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { FaultSwitches } from "../../../src/page/fault-switches.js";
import { NO_FAULTS } from "./made-up-cluster.js";

// Returns switches whose commands are answered with `failures`, one after the other, then null.
function switches(...failures) {
  const sent = [];
  const told = [];
  const clock = { now: 0 };
  const faults = new FaultSwitches({
    command: async (name, method, path, body) => {
      sent.push({ name, method, path, body });
      return failures.shift() ?? null;
    },
    now: () => clock.now,
    told: (name, failure) => told.push([name, failure]),
  });
  return { faults, sent, told, clock, node: { name: "bonnie", role: "secondary", faults: NO_FAULTS } };
}

test("two buttons that are pressed before the node tells its faults are both in force", async () => {
  const { faults, sent, told, node } = switches();
  await Promise.all([faults.press(node, "drop"), faults.press(node, "duplicate")]);
  assert.deepEqual([sent[1].body.dropRate, sent[1].body.duplicateRate], [0.3, 0.5]);
  await faults.press(node, "drop");
  assert.deepEqual([sent[2].body.dropRate, sent[2].body.duplicateRate], [0, 0.5]);
  assert.deepEqual(told, Array(3).fill(["bonnie", null]));
});

test("later, what the node tells counts", async () => {
  const { faults, sent, clock, node } = switches();
  await faults.press(node, "drop");
  clock.now += 2000;
  await faults.press({ ...node, faults: { ...NO_FAULTS, paused: true } }, "slow");
  assert.deepEqual([sent[1].body.paused, sent[1].body.dropRate], [true, 0]);
});

test("a cut drops everything and then the connection, a heal ends all", async () => {
  const { faults, sent, node } = switches();
  await Promise.all([faults.press(node, "cut"), faults.heal(node), faults.press(node, "drop")]);
  assert.deepEqual(
    sent.map(({ method, path }) => `${method} ${path}`),
    ["PUT /faults", "POST /faults/disconnect", "DELETE /faults", "PUT /faults"],
  );
  assert.equal(sent[3].body.dropRate, 0.3);
});

test("what went wrong is told, and is not taken for in force", async () => {
  const { faults, sent, told, node } = switches("The node cannot be reached.");
  await faults.press(node, "cut");
  assert.deepEqual(told, [["bonnie", "The node cannot be reached."]]);
  assert.equal(sent.length, 1, "no connection is dropped then");
  await faults.press(node, "duplicate");
  assert.equal(sent[1].body.dropRate, 0);
});
