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

test("a page draws each frame, few while nodes leave out events, and at once what somebody does", (t) => {
  const { app, hear, pass, drawn } = started(t);
  const drawnIn = (milliseconds) => {
    const before = drawn();
    pass(milliseconds);
    return drawn() - before;
  };
  hear("open");
  assert.equal(drawnIn(1000), 50);
  for (let second = 0; second < 3; second += 1) {
    hear("sampled", { leftOut: 1000, every: 8, node: "master" });
    if (second > 0) assert.equal(drawnIn(1000), 2, "a busy node");
    else pass(1000);
  }
  app.changed();
  assert.equal(drawnIn(20), 1, "somebody did something");
  pass(2000);
  assert.equal(drawnIn(1000), 50, "calm again");
});

test("a page draws twice a second for whoever asks for less motion", (t) => {
  const { hear, pass, drawn } = started(t, { isStill: true });
  hear("open");
  pass(1000);
  const before = drawn();
  pass(2000);
  assert.equal(drawn() - before, 4);
});
