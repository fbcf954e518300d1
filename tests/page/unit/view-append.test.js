/** The form that appends, and its list. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { AppendView } from "../../../src/page/view-append.js";
import { MadeUpCluster } from "./made-up-cluster.js";

// An element of a page without a browser, as far as the form needs it.
class FakeElement {
  children = [];
  #attributes = new Map();
  #text = "";

  addEventListener() {}
  focus() {}
  hasAttribute(name) {
    return this.#attributes.has(name);
  }
  getAttribute(name) {
    return this.#attributes.get(name) ?? null;
  }
  setAttribute(name, value) {
    this.#attributes.set(name, value);
  }
  removeAttribute(name) {
    this.#attributes.delete(name);
  }
  append(...children) {
    this.children.push(...children);
  }
  replaceChildren(...children) {
    this.children = children;
  }
  insertBefore(child, next) {
    const at = this.children.indexOf(next);
    this.children.splice(at < 0 ? this.children.length : at, 0, child);
  }
  get hidden() {
    return this.hasAttribute("hidden");
  }
  set hidden(isHidden) {
    if (isHidden) this.setAttribute("hidden", "");
    else this.removeAttribute("hidden");
  }
  get firstElementChild() {
    return this.children[0] ?? null;
  }
  get nextElementSibling() {
    return null;
  }
  get textContent() {
    return this.#text + this.children.map((child) => child.textContent ?? child).join("");
  }
  set textContent(text) {
    this.#text = text;
    this.children = [];
  }
}

// Returns the form of a page, with a client that waits for an answer that does not come.
function waiting(t) {
  globalThis.document = { createElement: () => new FakeElement() };
  t.mock.method(globalThis, "fetch", () => new Promise(() => {}));
  t.after(() => delete globalThis.document);
  const form = new AppendView({ root: new FakeElement(), changed() {}, say() {} });
  const entry = form.queue.add({ message: "mine", concern: 3, needed: 3, timeoutMs: null });
  return { form, entry };
}

// Returns what is so in a cluster whose log has these messages.
function cluster(...messages) {
  const cluster = new MadeUpCluster().begin("bonnie", "clyde");
  cluster.give("messages", { node: "master", from: 0, messages });
  cluster.tell("master", "durable", { ids: [0, messages.length] });
  return cluster.view;
}

test("an append of this page is found in the log of its master", (t) => {
  const { form, entry } = waiting(t);
  form.update(cluster("mine"), null, "live");
  assert.equal(entry.id, 0);
  assert.match(form.list.textContent, /waits for bonnie and clyde/);
});

test("a write concern in words stands with its number of nodes, as on the timeline", (t) => {
  const { form } = waiting(t);
  form.queue.add({ message: "other", concern: "majority", needed: 2, timeoutMs: null });
  form.update(cluster(), null, "live");
  assert.match(form.list.textContent, /w=majority \(2\)/);
  assert.match(form.list.textContent, /w=3/);
});

test("beside a recording there is no list, and beside a moment that is over it is said to be of now", (t) => {
  const { form, entry } = waiting(t);
  form.update(cluster(), null, "live");
  assert.deepEqual([form.list.hidden, form.now.hidden], [false, true]);
  form.update(cluster("mine"), null, "frozen");
  assert.deepEqual([entry.id, form.list.hidden, form.now.hidden], [0, false, false]);
  form.update(cluster("mine"), "This is a recording.", "recording");
  assert.deepEqual([form.list.hidden, form.now.hidden], [true, true]);
});

test("whoever has appended nothing yet is told what the page is for, where it has a form", (t) => {
  globalThis.document = { createElement: () => new FakeElement() };
  t.after(() => delete globalThis.document);
  const form = new AppendView({ root: new FakeElement(), changed() {}, say() {} });
  form.update(cluster(), null, "live");
  assert.equal(form.introduction.hidden, false);
  assert.match(form.introduction.textContent, /press tour/);
  form.update(cluster(), "This is a recording.", "recording");
  assert.equal(form.introduction.hidden, true);
  form.update(cluster(), null, "live");
  t.mock.method(globalThis, "fetch", () => new Promise(() => {}));
  form.queue.add({ message: "mine", concern: 1, needed: 1, timeoutMs: null });
  form.update(cluster(), null, "live");
  assert.equal(form.introduction.hidden, true);
});
