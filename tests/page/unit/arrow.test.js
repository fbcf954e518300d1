/** Where the arrow of the tour stands, and what it measures. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arrow, placeOf } from "../../../src/page/arrow.js";

test("the arrow stands beside its control, within the window, and on no other control", () => {
  const window = { width: 400, height: 300 };
  const box = (left, top, width = 60, height = 28) => ({
    left,
    top,
    right: left + width,
    bottom: top + height,
  });
  const place = (target, ...others) => {
    return told(placeOf(target, { others }, window, 16));
  };
  const told = (found) => found && `${found.side} ${found.size}`;
  const middle = box(200, 150);
  assert.equal(place(middle), "above large");
  assert.equal(place(middle, box(200, 90)), "above small", "a field above has its words between");
  assert.equal(place(middle, box(200, 118)), "below large");
  assert.equal(place(middle, box(200, 118), box(200, 182)), "right small");
  assert.equal(place(middle, box(200, 118), box(200, 182), box(264, 150)), "left small");
  const around = [box(200, 118), box(200, 182), box(264, 150), box(136, 150)];
  assert.equal(place(middle, ...around), null);
  assert.equal(place(box(200, 10)), "below large", "there is no room above");
  const amongWords = (...words) => told(placeOf(middle, { others: [], words }, window, 16));
  assert.equal(amongWords(box(200, 118)), "below large", "words are not covered");
  assert.equal(amongWords(...around), "above large", "unless there are words everywhere");
});

// Stands in for a browser's window with a panel, a button and what is pointed at. `measured` has the
// names of what was measured, in their order.
function fakeWindow(t) {
  const [heard, measured, made, scrolled] = [new Map(), [], [], []];
  const element = (name, left = 0, top = 0) => {
    const attributes = new Map();
    return {
      left,
      top,
      dataset: {},
      hidden: false,
      style: new Map(),
      append() {},
      scrollIntoView: () => scrolled.push(name),
      closest: () => null,
      contains: () => false,
      hasAttribute: (key) => attributes.has(key),
      getAttribute: (key) => attributes.get(key) ?? null,
      setAttribute: (key, value) => attributes.set(key, value),
      getBoundingClientRect() {
        measured.push(name);
        const { left, top } = this;
        return { left, top, right: left + 60, bottom: top + 28, width: 60, height: 28 };
      },
    };
  };
  const button = element("button", 200, 400);
  const fakes = {
    innerWidth: 800,
    innerHeight: 600,
    addEventListener: (kind, listener) => heard.set(kind, listener),
    getComputedStyle: () => ({ fontSize: "16px" }),
    document: {
      body: element("body"),
      createElement() {
        const style = new Map();
        style.setProperty = style.set;
        made.push({ ...element("arrow"), style });
        return made.at(-1);
      },
      querySelectorAll: (selector) => (selector.includes("button") ? [button] : []),
    },
  };
  Object.assign(globalThis, fakes);
  t.after(() => {
    for (const name of Object.keys(fakes)) delete globalThis[name];
  });
  const arrow = new Arrow(element("panel", 700, 0));
  // Returns what something made it measure, and where the arrow stands then.
  const after = (action) => {
    measured.length = 0;
    action();
    const { hidden, style } = made[0];
    const at = `${made[0].getAttribute("data-side")} ${style.get("left")} ${style.get("top")}`;
    return [measured.join(" "), hidden ? "hidden" : at];
  };
  return { arrow, after, button, element, scrolled, hear: (kind) => heard.get(kind)() };
}

test("in a frame the arrow measures nothing but a mark, and chooses its place when the page changes", (t) => {
  const { arrow, after, button, element, hear } = fakeWindow(t);
  const all = (target) => `${target} panel button`;
  // Whether it is in sight is asked first.
  const found = (target) => `${target} panel ${all(target)}`;
  const mark = Object.assign(element("mark", 100, 300), { ownerSVGElement: element("timeline") });
  assert.deepEqual(
    after(() => arrow.point(mark)),
    [found("mark"), "above 130px 300px"],
  );
  mark.left = 180;
  assert.deepEqual(
    after(() => arrow.follow()),
    ["mark", "above 210px 300px"],
  );
  button.top = 260;
  for (const change of [() => hear("scroll"), () => hear("resize"), () => arrow.point(mark)]) {
    assert.deepEqual(after(change), [all("mark"), "below 210px 328px"]);
  }
  mark.left = 750;
  assert.deepEqual(
    after(() => arrow.follow()),
    ["mark", "hidden"],
    "below the panel",
  );
  const control = element("control", 300, 300);
  assert.deepEqual(
    after(() => arrow.point(control)),
    [found("control"), "above 330px 300px"],
  );
  assert.deepEqual(
    after(() => arrow.follow()),
    ["", "above 330px 300px"],
  );
});

test("the arrow scrolls the page only where what it points at is out of sight", (t) => {
  const { arrow, element, scrolled } = fakeWindow(t);
  arrow.point(element("at the edge", 300, 571));
  assert.deepEqual(scrolled, []);
  arrow.point(element("below the edge", 300, 573));
  arrow.point(element("below the panel", 700, 100));
  assert.deepEqual(scrolled, ["below the edge", "below the panel"]);
  const ownerSVGElement = element("timeline", 0, 300);
  arrow.point(Object.assign(element("a mark in sight", 100, 550), { ownerSVGElement }));
  assert.equal(scrolled.length, 2, "although its timeline is partly below the edge");
  arrow.point(Object.assign(element("a mark", 100, 650), { ownerSVGElement }));
  assert.equal(scrolled.at(-1), "timeline");
});
