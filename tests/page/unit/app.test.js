/** What the page shows, and when: live, frozen, or a recording. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { App } from "../../../src/page/app.js";

// Returns an app whose stream and frames the test makes, what it said, and how often it drew.
function started(t, { isStill = false } = {}) {
  const heard = new Map();
  globalThis.EventSource = class {
    static CLOSED = 2;
    readyState = 0;
    addEventListener(name, listener) {
      heard.set(name, listener);
    }
  };
  globalThis.document = { addEventListener() {} };
  let now = 1000;
  const frames = [];
  globalThis.requestAnimationFrame = (frame) => frames.push(frame);
  t.mock.method(performance, "now", () => now);
  let timer = null;
  t.mock.method(globalThis, "setTimeout", (run, pause) => (timer = { run, at: now + pause }));
  t.mock.method(globalThis, "clearTimeout", () => (timer = null));
  // Lets time pass, of which the screen shows 50 frames a second.
  const pass = (milliseconds) => {
    for (let passed = 0; passed < milliseconds; passed += 20) {
      now += 20;
      if (timer?.at <= now) {
        const { run } = timer;
        timer = null;
        run();
      }
      for (const frame of frames.splice(0)) frame();
    }
  };
  t.after(() => {
    for (const name of ["EventSource", "document", "requestAnimationFrame"]) delete globalThis[name];
  });
  const said = [];
  const app = new App({ isStill: () => isStill });
  app.say = (text) => said.push(text);
  let drawn = 0;
  app.onFrame(() => (drawn += 1));
  app.start();
  const hear = (name, data) => heard.get(name)({ data: JSON.stringify(data ?? null) });
  return { app, said, hear, pass, drawn: () => drawn };
}

const STEP = { line: 1, text: "append", state: "begins", seen: null };

test("a lost connection to a node does not stop time", (t) => {
  const { app, said, hear } = started(t);
  hear("open");
  hear("error");
  assert.deepEqual([app.connection.state, app.isOver, app.live], ["lost", false, true]);
  assert.deepEqual(said, []);
});

test("a connection is lost since the first failure to have one", (t) => {
  const { app, hear, pass } = started(t);
  hear("open");
  pass(1000);
  hear("error");
  const { since } = app.connection;
  assert.equal(since, performance.now());
  pass(1000);
  hear("error");
  assert.deepEqual([app.connection.state, app.connection.since], ["lost", since]);
});

test("a scenario is over once whoever played it is gone, and time stops there until the next one plays", (t) => {
  const { app, said, hear } = started(t);
  hear("open");
  hear("step", STEP);
  assert.deepEqual([app.isOver, app.live], [false, true]);
  hear("error");
  assert.deepEqual([app.isOver, app.live], [true, false]);
  hear("error");
  assert.deepEqual(said, ["The scenario is over."]);
  hear("open");
  assert.deepEqual([app.isOver, app.live], [false, true]);
});

test("whoever looks back at the end of a scenario stays there", (t) => {
  const { app, hear } = started(t);
  hear("open");
  hear("step", STEP);
  app.freeze(true);
  const { t: moment } = app;
  hear("error");
  assert.deepEqual([app.isOver, app.t], [true, moment]);
});

// Returns the number of frames that are drawn while time passes and a node tells something ten times a
// second.
function drawnIn({ hear, pass, drawn }, milliseconds) {
  const before = drawn();
  for (let passed = 0; passed < milliseconds; passed += 100) {
    hear("missed", { count: 0, node: "master" });
    pass(100);
  }
  return drawn() - before;
}

test("a page draws each frame, few while a node is busy, and at once what somebody does", (t) => {
  const page = started(t);
  page.hear("open");
  assert.equal(drawnIn(page, 1000), 50);
  page.hear("sampled", { leftOut: 1000, every: 2, node: "master" });
  assert.equal(drawnIn(page, 1000), 50, "a node that leaves out some events");
  for (const frames of [2, 2, 2]) {
    page.hear("sampled", { leftOut: 100_000, every: 1024, node: "master" });
    page.pass(20);
    assert.equal(drawnIn(page, 1000), frames, "a busy node");
  }
  const before = page.drawn();
  page.app.changed();
  page.pass(20);
  assert.equal(page.drawn() - before, 1, "somebody did something");
  page.pass(2000);
  assert.equal(drawnIn(page, 1000), 50, "calm again");
});

test("a page draws twice a second for whoever asks for less motion", (t) => {
  const page = started(t, { isStill: true });
  page.hear("open");
  page.pass(1000);
  assert.equal(drawnIn(page, 2000), 4);
});

test("a frozen page draws only what somebody does", (t) => {
  const page = started(t);
  page.hear("open");
  page.pass(1000);
  page.app.freeze(true);
  page.pass(1000);
  assert.equal(drawnIn(page, 1000), 0);
  page.app.seek(page.app.t - 1_000_000);
  assert.equal(drawnIn(page, 1000), 1);
});

test("a recording that the page does not understand is told for a while, and what is live stays", async (t) => {
  const { app, said, pass } = started(t);
  const file = {
    get size() {
      throw new TypeError("it is not what it seems");
    },
  };
  await app.open(file);
  assert.deepEqual([app.recording, app.openError], [null, "This recording cannot be shown: it is not what it seems."]);
  assert.deepEqual(said, [app.openError]);
  pass(8000);
  assert.notEqual(app.openError, null);
  pass(20_000);
  assert.equal(app.openError, null);
});
