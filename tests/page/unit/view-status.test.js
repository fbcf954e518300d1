/** The state of the connection in words. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { connectionWords } from "../../../src/page/view-status.js";

test("a lost connection says since when, in whole seconds", () => {
  const text = (now) => connectionWords({ kind: "lost", since: 1000, now }).text;
  assert.equal(text(1100), "connection lost 0 s ago; trying");
  assert.equal(text(4200), text(4900));
  assert.equal(text(4200), "connection lost 3 s ago; trying");
  assert.equal(text(65_500), "connection lost 64 s ago; trying");
});

test("a frozen page and a recording say what they show", () => {
  assert.deepEqual(connectionWords({ kind: "live" }), { status: "live", text: "live" });
  assert.equal(connectionWords({ kind: "frozen", detail: "12:00:01" }).text, "frozen: 12:00:01");
});
