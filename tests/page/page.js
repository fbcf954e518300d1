/** The page of a node in a browser, as a user has it: what it shows, by role and accessible name, and what it does. */

import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { waitUntil } from "../../clients/tests/cluster.js";
import { audit, faultsOfLayout } from "./judges.js";
import { Watch } from "./problems.js";

const DOMAINS = ["Page", "Runtime", "Log", "Network", "Audits", "DOM", "Accessibility"];

/** Keys that are no characters: what the browser is told of each. */
const KEYS = {
  Tab: { code: "Tab", windowsVirtualKeyCode: 9 },
  Enter: { code: "Enter", windowsVirtualKeyCode: 13, text: "\r" },
  Escape: { code: "Escape", windowsVirtualKeyCode: 27 },
  " ": { code: "Space", windowsVirtualKeyCode: 32, text: " " },
  ArrowLeft: { code: "ArrowLeft", windowsVirtualKeyCode: 37 },
  ArrowRight: { code: "ArrowRight", windowsVirtualKeyCode: 39 },
};

export class Page {
  #tab;
  #watch;

  /** The files that the next file chooser is given. */
  #files = [];

  /** Opens the page of a node, and waits until it is drawn. */
  static async open(browser, url, looks) {
    const page = await Page.load(browser, url, looks);
    await waitUntil("the page has a timeline", () => page.timeline());
    return page;
  }

  /** Begins to load the page of a node: all of it, without files whose address is like `lacks`, or without scripts. */
  static async load(browser, url, { width = 1280, height = 900, lacks, isScripted = true, ...looks } = {}) {
    const page = new Page();
    page.#tab = await browser.open("about:blank");
    page.#watch = new Watch(page.#tab, url);
    page.#tab.on("Page.fileChooserOpened", ({ backendNodeId }) => {
      void page.#tab.call("DOM.setFileInputFiles", { files: page.#files, backendNodeId });
    });
    for (const domain of DOMAINS) await page.#tab.call(`${domain}.enable`);
    await page.#tab.call("Emulation.setFocusEmulationEnabled", { enabled: true });
    await page.#tab.call("Page.setInterceptFileChooserDialog", { enabled: true });
    await page.resize(width, height);
    await page.prefer(looks);
    if (lacks) await page.#tab.call("Network.setBlockedURLs", { urls: [lacks] });
    await page.#tab.call("Emulation.setScriptExecutionDisabled", { value: !isScripted });
    await page.#tab.call("Page.navigate", { url: `${url}/` });
    return page;
  }

  async resize(width, height) {
    const metrics = { width, height, deviceScaleFactor: 1, mobile: false };
    await this.#tab.call("Emulation.setDeviceMetricsOverride", metrics);
  }

  /** Makes it fit for a picture: at its top, without focus, pointer, and bars to scroll. */
  async pose() {
    await this.evaluate(() => {
      document.activeElement.blur();
      scrollTo(0, 0);
    });
    await this.#tab.call("Input.dispatchMouseEvent", { type: "mouseMoved", x: 1, y: 1 });
    await this.#tab.call("Emulation.setScrollbarsHidden", { hidden: true });
  }

  /** Waits until the page is drawn anew. */
  async frame() {
    const drawn = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";
    await this.#tab.evaluate(`${drawn}.then(() => undefined)`);
  }

  /** Sets what the user prefers: `scheme` is `light` or `dark`, `motion` is `reduce` or not. */
  async prefer({ scheme = "light", motion = "no-preference" }) {
    const features = [
      { name: "prefers-color-scheme", value: scheme },
      { name: "prefers-reduced-motion", value: motion },
    ];
    await this.#tab.call("Emulation.setEmulatedMedia", { features });
  }

  /** Calls a function in the page with these arguments. */
  evaluate(script, ...values) {
    const list = values.map((value) => JSON.stringify(value) ?? "undefined").join();
    return this.#tab.evaluate(`(${script})(${list})`);
  }

  /** Waits until a function in the page returns something, and returns that. */
  until(what, script, ...values) {
    return waitUntil(what, () => this.evaluate(script, ...values));
  }

  /** Returns what is shown with a role and, if given, a name, in the part of a node if given. */
  async find(role, name, node) {
    const root = await this.#part(node);
    if (!root) return [];
    // Its elements may be gone meanwhile.
    const query = { objectId: root, role };
    const { nodes } = await this.#tab.call("Accessibility.queryAXTree", query).catch(() => ({ nodes: [] }));
    const found = nodes.filter(({ ignored }) => !ignored).map(described);
    return name ? found.filter((control) => control.name.toLowerCase() === name) : found;
  }

  /** Waits until exactly one is shown, and returns it. */
  async one(role, name, node) {
    const what = `one ${role} is named ${name}${node ? ` at ${node}` : ""}`;
    return waitUntil(what, async () => {
      const found = await this.find(role, name, node);
      return found.length === 1 && found[0];
    });
  }

  /** Waits until a button is shown and may be pressed, and presses it with the mouse. */
  async press(name, node) {
    const button = await waitUntil(`the button ${name} may be pressed`, async () => {
      const found = await this.one("button", name, node);
      return !found.disabled && found;
    });
    await this.click(button);
  }

  /** Clicks in the middle of an element. */
  async click({ backendNodeId }) {
    await this.#tab.call("DOM.scrollIntoViewIfNeeded", { backendNodeId });
    const { quads } = await this.#tab.call("DOM.getContentQuads", { backendNodeId });
    const [left, top, , , right, bottom] = quads[0];
    const at = { x: (left + right) / 2, y: (top + bottom) / 2, button: "left", clickCount: 1 };
    await this.#tab.call("Input.dispatchMouseEvent", { type: "mousePressed", ...at });
    await this.#tab.call("Input.dispatchMouseEvent", { type: "mouseReleased", ...at });
  }

  /** Presses a button, and waits until it says whether it is pressed. */
  async toggle(name, node, pressed) {
    await this.press(name, node);
    await this.isPressed(name, node, pressed);
  }

  /** Waits until a button says that it is pressed, or that it is not. */
  async isPressed(name, node, pressed) {
    await waitUntil(`${name} of ${node ?? "the page"} is ${pressed ? "" : "not "}pressed`, async () => {
      const [button] = await this.find("button", name, node);
      return button && button.pressed === pressed;
    });
  }

  /** Writes a text into a field instead of what is there. */
  async fill(field, text) {
    await this.#tab.call("DOM.focus", { backendNodeId: field.backendNodeId });
    await this.#on(field.backendNodeId, "function () { this.select?.(); }");
    await this.#tab.call("Input.insertText", { text });
  }

  /** Appends from the form; the concern is a number of nodes, `majority` or `all`. */
  async append(text, concern) {
    await this.fill(await this.one("textbox", "message"), text);
    await this.click(await this.one("radio", String(concern)));
    await this.press("append");
  }

  /** Returns the texts of the messages that a node shows. */
  list(node) {
    return this.evaluate((node) => {
      const lines = document.querySelectorAll(`[data-node="${node}"] li[data-state="shown"]`);
      return [...lines].map((line) => line.querySelector("bdi").textContent);
    }, node);
  }

  /** Waits until a node shows these messages, and no others. */
  async lists(node, texts) {
    await waitUntil(`${node} shows ${texts}`, async () => `${await this.list(node)}` === `${texts}`);
  }

  /** Chooses an option of a list of options. */
  async option(name, value) {
    const { backendNodeId } = await this.one("combobox", name);
    await this.#on(
      backendNodeId,
      `function (value) {
        this.value = value;
        this.dispatchEvent(new Event("change", { bubbles: true }));
      }`,
      value,
    );
  }

  /** Sets a slider; 0 is its least value, 1 its greatest. */
  async slide(name, part) {
    const { backendNodeId } = await this.one("slider", name);
    await this.#on(
      backendNodeId,
      `function (part) {
        this.value = Number(this.min) + part * (this.max - this.min);
        this.dispatchEvent(new Event("input", { bubbles: true }));
      }`,
      part,
    );
  }

  /** Waits until the page is sent an event whose data match. */
  hears(pattern) {
    return new Promise((resolve) => {
      const listener = ({ data }) => {
        if (!pattern.test(data)) return;
        this.#tab.off("Network.eventSourceMessageReceived", listener);
        resolve();
      };
      this.#tab.on("Network.eventSourceMessageReceived", listener);
    });
  }

  /** Returns the path of the file that is saved to a folder by an action. */
  async download(folder, action) {
    const behavior = { behavior: "allow", downloadPath: folder };
    await this.#tab.call("Page.setDownloadBehavior", behavior);
    await action();
    return waitUntil("a file is saved", () => {
      const [name] = readdirSync(folder).filter((name) => !name.endsWith(".crdownload"));
      return name && path.join(folder, name);
    });
  }

  /** Writes where the focus is. */
  async type(text) {
    await this.#tab.call("Input.insertText", { text });
  }

  async key(key, modifiers = 0) {
    const event = { key, modifiers, ...KEYS[key] };
    await this.#tab.call("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await this.#tab.call("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** Goes on with the Tab key until the element with a role and a name has the focus. */
  async tabTo(role, name, node) {
    for (let presses = 0; presses < 200; presses += 1) {
      const focused = await this.focused();
      if (focused.role === role && focused.name.toLowerCase() === name) {
        if (!node || focused.node === node) return focused;
      }
      await this.key("Tab");
    }
    throw new Error(`the Tab key leads to no ${role} ${name}`);
  }

  /** Returns role and name of what has the focus, the node that it is about, and its outline. */
  async focused() {
    const { result } = await this.#tab.call("Runtime.evaluate", { expression: "document.activeElement" });
    const query = { objectId: result.objectId, fetchRelatives: false };
    const { nodes } = await this.#tab.call("Accessibility.getPartialAXTree", query);
    const about = await this.evaluate(() => {
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
      const node = document.activeElement.closest("[data-node]")?.dataset.node;
      return { node, isMarked: (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none" };
    });
    return { ...described(nodes[0]), ...about };
  }

  /** Returns the timeline; undefined before it is there. */
  async timeline() {
    const root = await this.#part();
    const query = { objectId: root, accessibleName: "timeline" };
    const { nodes } = await this.#tab.call("Accessibility.queryAXTree", query);
    for (const { backendDOMNodeId } of nodes) {
      // Boxes of text have no element.
      if (backendDOMNodeId === undefined) continue;
      if (await this.#on(backendDOMNodeId, "function () { return this.tagName === 'svg'; }")) return backendDOMNodeId;
    }
    return undefined;
  }

  /** Returns what is known of the marks in the timeline whose data are these, such as `{ kind: "lost" }`. */
  async marks(wanted) {
    return this.#on(
      await this.timeline(),
      `function (wanted) {
        const fits = ({ dataset }) => Object.entries(wanted).every(([key, value]) => dataset[key] === value);
        const marks = [...this.querySelectorAll("[data-kind]")].filter(fits);
        return marks.map((mark) => {
          const { x, y, width, height } = mark.getBoundingClientRect();
          return { ...mark.dataset, x, y, width, height };
        });
      }`,
      wanted,
    );
  }

  /** Waits until the timeline has a mark with these data, and returns the marks. */
  async marked(wanted) {
    return waitUntil(`a mark with ${JSON.stringify(wanted)}`, async () => {
      const marks = await this.marks(wanted);
      return marks.length > 0 && marks;
    });
  }

  /** Returns the text of a node's part, or of the whole page. */
  async text(node) {
    return this.#on(await this.#part(node), "function () { return (this.body ?? this).innerText; }");
  }

  /** Waits until the text of a node's part, or of the whole page, matches; returns the match. */
  async says(pattern, node) {
    return waitUntil(`${node ?? "the page"} says ${pattern}`, async () => pattern.exec(await this.text(node)));
  }

  /** Has the next file chooser be given these files. */
  choose(...files) {
    this.#files = files;
  }

  /** Returns the findings of axe-core, whose source is given, in the page or in an element: see judges.js. */
  audit(source, selector = "html") {
    return audit(this.#tab, source, selector);
  }

  /** Returns what is wrong with its layout: see judges.js. */
  faultsOfLayout() {
    return this.evaluate(faultsOfLayout);
  }

  /** Returns where an element is in the window, with a margin. */
  async box(element) {
    const script = `function () {
      const { x, y, width, height } = this.getBoundingClientRect();
      return { x, y, width, height };
    }`;
    const { x, y, width, height } = await this.#on(element, script);
    return { x: x - 8, y: y - 8, width: width + 16, height: height + 16 };
  }

  /** Writes a picture of the window, or of a part of it, to a file. */
  async picture(file, clip) {
    const options = { format: "png", ...(clip && { clip: { scale: 1, ...clip } }) };
    const { data } = await this.#tab.call("Page.captureScreenshot", options);
    writeFileSync(file, Buffer.from(data, "base64"));
  }

  /** Closes its tab. */
  async close() {
    await this.#tab.call("Page.close");
  }

  /** Returns what happened that must not: see problems.js. */
  get problems() {
    return this.#watch.problems;
  }

  /** Returns the number of streams of events that are open. */
  get streams() {
    return this.#watch.streams;
  }

  /** Checks that nothing happened that must not; errors that match are expected. */
  isClean(expected) {
    const problems = this.problems.filter((problem) => !expected?.test(problem));
    assert.deepEqual(problems, []);
  }

  /** Returns the element of a node's list and buttons, or the document. */
  async #part(node) {
    const expression = node ? `document.querySelector("[data-node=${node}]")` : "document";
    return (await this.#tab.call("Runtime.evaluate", { expression })).result.objectId;
  }

  /** Calls a function of an element. */
  async #on(element, functionDeclaration, ...values) {
    let objectId = element;
    if (typeof element !== "string") {
      const { object } = await this.#tab.call("DOM.resolveNode", { backendNodeId: element });
      objectId = object.objectId;
    }
    const { result } = await this.#tab.call("Runtime.callFunctionOn", {
      objectId,
      functionDeclaration,
      arguments: values.map((value) => ({ value })),
      returnByValue: true,
    });
    return result.value;
  }
}

/** Returns what the accessibility tree says of an element. */
function described({ role, name, properties = [], value, backendDOMNodeId }) {
  const property = (wanted) => properties.find((it) => it.name === wanted)?.value.value;
  return {
    role: role?.value,
    name: name?.value ?? "",
    value: value?.value,
    pressed: property("pressed") === "true",
    disabled: property("disabled") === true,
    url: property("url"),
    backendNodeId: backendDOMNodeId,
  };
}
