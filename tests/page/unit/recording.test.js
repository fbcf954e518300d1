/** Recordings: what is saved, and how a file is read. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { opened, played, saved } from "../../../src/page/recording.js";
import { recordingItems, RecordingError } from "../../../src/page/recording-format.js";
import { clockWords } from "../../../src/page/words.js";
import { MadeUpCluster, row } from "./made-up-cluster.js";

const HEAD = '{"recording":1,"madeBy":"acklog 0.1.0","clock":"virtual","title":"a crash"}\n';
const STEP = '{"at":5,"event":"step","data":{"line":1,"text":"append","state":"begins","seen":null}}\n';

function fault(text) {
  try {
    recordingItems(text);
  } catch (error) {
    assert.ok(error instanceof RecordingError, error.stack);
    return error.message;
  }
  return null;
}

test("what is saved opens as it was", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.give("messages", { node: "bonnie", from: 0, messages: ["<b>a</b>", "b"] });
  cluster.append(0, 2).send("bonnie", 0, 1).pass(3).store("bonnie", 0, 1).ack("bonnie", 0, 1);
  cluster.give("connection", { open: false });
  const { head, items } = recordingItems(saved(cluster.model, 0));
  assert.deepEqual([head.clock, head.title], ["wall", "the minute before 1970-01-01 00:00:00 UTC"]);
  const { model, from, to } = played(head, items);
  assert.ok(to > from);
  const view = model.view(to);
  assert.deepEqual(
    view.nodes().map(({ name }) => name),
    ["master", "bonnie"],
  );
  assert.deepEqual([view.node("bonnie").text(0), view.appends()[0].acks.length], ["<b>a</b>", 2]);
});

test("a recording begins with the state of each node, also where that came before", () => {
  const cluster = new MadeUpCluster().begin("bonnie");
  cluster.give("messages", { node: "bonnie", from: 0, messages: ["a"] });
  for (let second = 0; second < 90; second += 1) {
    cluster.pass(1000).state("master", { role: "master", logEnd: 1, secondaries: [row("bonnie")] });
  }
  const { items } = recordingItems(saved(cluster.model, 0));
  const begin = items.filter(({ data }) => data.node === "bonnie").map(({ event }) => event);
  assert.deepEqual(begin, ["state", "messages"]);
});

test("an incomplete last line is left out", () => {
  const { items } = recordingItems(`${HEAD}${STEP}{"at":6,"event":"st`);
  assert.equal(items.length, 1);
  assert.equal(recordingItems(`${HEAD}${STEP.trim()}`).items.length, 1);
});

test("a file that is no recording is refused with the line that is wrong", () => {
  assert.match(fault(""), /its first line must be/);
  assert.match(fault("hello\n"), /its first line must be/);
  assert.match(
    fault('{"recording":2,"clock":"wall"}\n'),
    /version 2 of the format; this page reads version 1/,
  );
  assert.match(fault('{"recording":1,"clock":"sun"}\n'), /clock in line 1 must be wall or virtual/);
  assert.match(fault(HEAD), /is empty/);
  assert.match(fault(`${HEAD}${STEP}nonsense\n${STEP}`), /line 3 is not JSON/);
  assert.match(fault(`${HEAD}{"event":"step","data":{}}\n`), /line 2 has no time/);
  assert.match(fault(`${HEAD}7\n`), /line 2 is no item/);
  const wrong = '{"at":1,"event":"messages","data":{"node":"a","from":0,"messages":[{}]}}\n';
  assert.match(fault(`${HEAD}${wrong}`), /line 2 has data that do not fit the name messages/);
});

// Returns the line of a recording with a state of a node, whose health has other members.
function stateLine(health, members = {}) {
  const whole = { role: "master", logEnd: 1, secondaries: [], refused: [], ...health };
  const data = { node: "a", time: 1, reachable: true, health: whole, ...members };
  return `${JSON.stringify({ at: 1, event: "state", data })}\n`;
}

test("states of another shape than a node tells are refused", () => {
  assert.equal(fault(`${HEAD}${stateLine({})}`), null);
  const odd = { toString: 1 };
  for (const health of [
    { refused: [{ name: "b", code: 5 }] },
    { refused: [{ code: "other-log" }] },
    { role: "secondary", secondaries: 7 },
    { role: "secondary", secondaries: [{ name: 7 }] },
    { disk: { state: odd } },
    { disk: { state: "failed", detail: odd } },
    { quorum: { healthy: "2" } },
    { quorum: { required: odd } },
    { role: "secondary", master: { name: odd } },
    { role: "secondary", master: { address: odd } },
    { role: "secondary", master: { lastError: odd } },
    { role: "secondary", master: { logEnd: "9" } },
    { logEnd: 1e300 },
    { secondaries: [{ name: "b", ackedEnd: 1e300 }] },
  ]) {
    assert.match(fault(`${HEAD}${stateLine(health)}`) ?? "taken", /line 2 has data/, JSON.stringify(health));
  }
});

test("times are numbers of microseconds that can be counted", () => {
  for (const at of [1e300, -1, 0.5, 2 ** 53]) {
    const line = JSON.stringify({ at, event: "missed", data: { count: 1 } });
    assert.match(fault(`${HEAD}${line}\n`) ?? "taken", /line 2 has no time in at/, String(at));
    assert.match(fault(`${HEAD}${stateLine({}, { time: at })}`) ?? "taken", /line 2 has data/, String(at));
    const event = JSON.stringify({ at: 1, event: "event", data: { id: 1, time: at, node: "a", kind: "ready" } });
    assert.match(fault(`${HEAD}${event}\n`) ?? "taken", /line 2 has data/, String(at));
  }
  const list = JSON.stringify({ at: 1, event: "messages", data: { node: "a", from: 2 ** 53 - 1, messages: ["b"] } });
  assert.match(fault(`${HEAD}${list}\n`) ?? "taken", /line 2 has data/);
});

// Returns a recording that is cut as a message advises, to `lines` lines behind its first one.
function cutAsAdvised(text, message, lines) {
  const folder = mkdtempSync(join(tmpdir(), "recording-"));
  try {
    const file = join(folder, "long.ndjson");
    writeFileSync(file, text);
    const command = message.match(/\(head .*\)/)[0].replaceAll(/\bF\b/g, '"$F"').replaceAll(/\bN\b/g, '"$N"');
    const env = { ...process.env, F: file, N: String(lines) };
    return execFileSync("sh", ["-c", command], { env, encoding: "utf8" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a recording that is too long can be cut as the page says", async () => {
  const long = `${HEAD}${STEP}${'{"at":6,"event":"missed","data":{"count":1}}\n'.repeat(1_000_000)}`;
  const message = fault(long);
  assert.match(message, /has more than 1000000 lines/);
  const { head, items } = recordingItems(cutAsAdvised(long, message, 1000));
  assert.deepEqual([head.title, items.length, items[0].at], ["a crash", 1000, 6]);
  const tooLarge = await opened({ size: 1e12 }).catch((error) => error.message);
  assert.equal(recordingItems(cutAsAdvised(long, tooLarge, 7)).items.length, 7);
});

test("names that are not known are passed over, and times never go back", () => {
  const { head, items } = recordingItems(`${HEAD}${STEP}{"at":1,"event":"later","data":{}}\n`);
  assert.deepEqual(
    items.map(({ at }) => at),
    [5, 5],
  );
  const { model, to } = played(head, items);
  assert.deepEqual(
    model
      .view(to)
      .steps()
      .map(({ text }) => text),
    ["append"],
  );
  assert.match(clockWords(model.view(to).clock), /virtual time of a simulation/);
});

test("a recording is shown first where there is something to see, and not at its end or before it", () => {
  const cluster = new MadeUpCluster();
  cluster.give("step", { line: 1, text: "cluster", state: "begins", seen: null });
  cluster.pass(700).begin("bonnie");
  const known = cluster.time;
  const { start: alone, to } = played({ clock: "virtual" }, cluster.items);
  assert.equal(alone, to);
  cluster.give("messages", { node: "master", from: 0, messages: [] });
  cluster.pass(900).give("messages", { node: "master", from: 0, messages: ["a"] });
  cluster.pass(9000).give("messages", { node: "bonnie", from: 0, messages: ["a"] });
  const whole = played({ clock: "virtual" }, cluster.items);
  const view = whole.model.view(whole.start);
  assert.deepEqual([view.node("master").text(0), view.node("bonnie").stateTime !== null], ["a", true]);
  assert.ok(whole.from < known && whole.start < whole.to);
  const late = cluster.items.filter(({ event, data }) => event !== "messages" || data.node === "bonnie");
  assert.equal(played({ clock: "virtual" }, late).start - known, 2_001_000);
});

test("of a recording everything is kept, however long it is", () => {
  const cluster = new MadeUpCluster().begin("bonnie").append(0, 1);
  const then = cluster.time;
  for (let second = 0; second < 5000; second += 1) {
    cluster.pass(1000).state("bonnie", { role: "secondary", logEnd: second });
    cluster.tell("bonnie", "ready", { peer: "master" });
  }
  const { model } = played({ clock: "wall" }, cluster.items);
  assert.equal(model.view(then).node("bonnie").health.logEnd, 0);
  assert.equal(model.view(then).appends().length, 1);
  const points = model.things.between(-Infinity, Infinity).filter(({ type }) => type === "point");
  assert.equal(points.length, 5000);
});
