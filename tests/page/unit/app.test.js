import assert from "node:assert/strict";
import { test } from "node:test";

import { App } from "../../../src/page/app.js";

// Returns an app whose stream and frames the test makes, and what it said.
function started(t) {
  const heard = new Map();
  globalThis.EventSource = class {
    static CLOSED = 2;
    readyState = 0;
    addEventListener(name, listener) {
      heard.set(name, listener);
    }
  };
  globalThis.document = { addEventListener() {} };
  globalThis.requestAnimationFrame = () => {};
  t.after(() => {
    for (const name of ["EventSource", "document", "requestAnimationFrame"]) delete globalThis[name];
  });
  const said = [];
  const app = new App();
  app.say = (text) => said.push(text);
  app.start();
  return { app, said, hear: (name, data) => heard.get(name)({ data: JSON.stringify(data ?? null) }) };
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
