// A column for each node: how it is, its list, and the buttons that break it. The same id stands in
// the same row of every column.

import { keyed, make, setAttribute, setData, setText, show } from "./dom.js";
import { FaultSwitches } from "./fault-switches.js";
import { ListWindow, rowState } from "./list-window.js";
import { nodeWords } from "./node-words.js";
import { FAULTS, faultPhrases, inForce, listed, punctuated, shown } from "./words.js";

// Rows of each list: as many as leave room for the timeline, within these bounds.
const FEWEST_ROWS = 5;
const MOST_ROWS = 14;

// Share of the height of the browser's window that the rows of a list take, within these bounds. Smaller:
// fewer messages are seen. Larger: the timeline is out of sight.
const ROWS_SHARE = 0.2;

// Height of a row, in rem: see --row of style.css.
const ROW = 1.7;

// Characters of a message that a row shows; the style sheet cuts it to the width of the column.
const ROW_CHARACTERS = 120;

// Why a button that breaks nodes does nothing while the page is frozen.
const FROZEN = "The page is frozen: press back to now first.";

// The columns. `receipt(id, text)` opens the receipt of a message; `command(node, method, path, body)`
// sends a fault, see commands.js; `changed()` asks for a new drawing; `say(text)` tells it to people
// who do not see the page.
export class NodesView {
  constructor({ root, receipt, command, changed, say }) {
    this.receipt = receipt;
    this.changed = changed;
    this.say = say;
    const told = (name, failure) => this.#note(name, failure);
    this.switches = new FaultSwitches({ command, now: () => performance.now(), told });
    this.window = new ListWindow();
    this.columns = new Map();
    this.failures = new Map();
    // The node of which a button was pressed in vain while the page is frozen, or null.
    this.refused = null;
    this.#build(root);
  }

  #build(root) {
    this.ids = make("ol", { class: "ids", "aria-hidden": "true" });
    this.box = make("div", { class: "columns" });
    const button = (label, sign, click) =>
      make("button", { type: "button", "aria-label": label, title: label, on: { click } }, sign);
    this.earlier = button("earlier messages", "↑", () => this.#back());
    this.newest = button("newest messages", "↓", () => this.#forward());
    this.off = make(
      "p",
      { class: "soft", hidden: true },
      "Faults cannot be injected here. Start the nodes with --allow-faults to have buttons for them.",
    );
    this.gutter = make(
      "div",
      { class: "gutter" },
      make("div", { class: "gutter-head" }, this.earlier, this.newest),
      this.ids,
    );
    root.append(make("div", { class: "board" }, this.gutter, this.box), this.off);
    addEventListener("resize", this.changed);
  }

  // Draws all columns as the nodes are in `view`. `mode` is "live", "frozen" (the buttons do
  // nothing), "recording" or "scenario" (there are none).
  update(view, mode) {
    const nodes = view.nodes();
    const end = Math.max(0, ...nodes.map((node) => node.end));
    const rows = rowCount();
    const first = this.window.place(end, rows);
    this.nodes = nodes;
    this.oldest = Math.min(
      end,
      ...nodes.filter((node) => node.texts.size > 0).map((node) => node.from),
    );
    this.rows = rows;
    this.mode = mode;
    if (mode !== "frozen") this.refused = null;
    setData(document.documentElement, "nodes", nodes.length > 5 ? "many" : "few");
    keyed(
      this.box,
      this.columns,
      nodes.map((node) => node.name),
      (name) => this.#column(name),
    );
    const master = nodes.find((node) => node.role === "master");
    this.committedEnd = view.committedEnd();
    this.#drawIds(first, rows, master);
    for (const node of nodes)
      this.#draw(this.columns.get(node.name), node, { first, rows, end, mode });
    show(this.earlier, first > this.oldest);
    show(this.newest, this.window.chosen !== null);
    const reachable = nodes.filter((node) => node.health);
    const isLacking = reachable.length > 0 && reachable.every((node) => !node.faults);
    show(this.off, isServed(mode) && isLacking);
  }

  // Returns a node as it was drawn last.
  node(name) {
    return this.nodes.find((one) => one.name === name);
  }

  #back() {
    this.window.earlier(this.rows, this.oldest);
    this.changed();
  }

  #forward() {
    this.window.newest();
    this.changed();
  }

  #column(name) {
    // Whether a fault is in force, its button tells when it is drawn.
    const buttons = [...FAULTS, "heal"].map((fault) =>
      make(
        "button",
        { type: "button", data: { fault }, on: { click: () => this.#press(name, fault) } },
        fault,
      ),
    );
    const column = make(
      "section",
      { class: "node", "aria-label": name, data: { node: name } },
      make(
        "header",
        {},
        make("span", { class: "mark", "aria-hidden": "true" }),
        make("h3", {}, name),
      ),
      make("p", { class: "state" }),
      make("ol", { class: "rows", "aria-label": `list of ${name}`, on: { keydown: walk } }),
      make(
        "div",
        { class: "faults", role: "group", "aria-label": `faults of ${name}` },
        ...buttons,
      ),
      make("p", { class: "in-force" }),
    );
    column.rows = [];
    return column;
  }

  #drawIds(first, rows, master) {
    while (this.ids.children.length > rows) this.ids.lastChild.remove();
    while (this.ids.children.length < rows) this.ids.append(make("li"));
    [...this.ids.children].forEach((row, at) => {
      setText(row, String(first + at));
      setData(
        row,
        "committed",
        master && first + at + 1 === master.health?.committedEnd ? "true" : null,
      );
    });
  }

  #draw(column, node, place) {
    const [header, state, list, faults, force] = column.children;
    setData(column, "color", node.color);
    setText(header.firstChild, node.letter);
    const words = nodeWords(node);
    setText(state, words.text);
    setAttribute(state, "title", words.more ? `${words.text}: ${words.more}` : words.text);
    if (state.dataset.level && state.dataset.level !== words.level)
      this.say(`${node.name}: ${words.text}${words.more ? `: ${words.more}` : ""}.`);
    setData(state, "level", words.level);
    this.#drawList(list, column, node, place);
    const broken = node.faults;
    show(faults, Boolean(broken) && isServed(place.mode));
    for (const button of faults.children) {
      setAttribute(button, "aria-disabled", place.mode === "frozen" ? "true" : null);
      setAttribute(button, "title", place.mode === "frozen" ? FROZEN : null);
      if (button.dataset.fault !== "heal") {
        setAttribute(button, "aria-pressed", String(inForce(button.dataset.fault, broken)));
      }
    }
    const failure = this.failures.get(node.name);
    const phrases = faultPhrases(broken);
    const inForceNow = failure ?? (phrases.length > 0 ? `${node.name} ${listed(phrases)}` : "");
    setText(force, this.refused === node.name ? FROZEN : inForceNow);
    setData(force, "level", failure ? "alarm" : null);
    const told = force.textContent || `${node.name} has no fault`;
    if (column.told !== undefined && column.told !== told) this.say(punctuated(told));
    column.told = told;
  }

  #drawList(list, column, node, { first, rows, end, mode }) {
    while (column.rows.length > rows) column.rows.pop().item.remove();
    while (column.rows.length < rows) {
      const row = buildRow((id) => this.receipt(id, this.node(node.name)?.text(id)));
      column.rows.push(row);
      list.append(row.item);
    }
    const committed = node.role === "master" ? this.committedEnd : node.health?.committedEnd;
    column.rows.forEach((row, at) => {
      const id = first + at;
      const state = rowState(id, node, end);
      const text = node.text(id);
      setData(row.item, "id", id);
      setData(row.item, "state", state);
      setData(row.item, "committed", id + 1 === committed ? "true" : null);
      setAttribute(row.item, "aria-hidden", state === "free" ? "true" : null);
      setText(row.text, rowText(state, text));
      setText(row.lead, state === "free" ? "" : `${id}: ${state === "shown" ? "" : state}`);
      show(row.button, state === "shown" && node.role === "master" && isServed(mode));
      row.button.receiptId = id;
    });
    rove(column.rows.map((row) => row.button));
  }

  // Presses the button of a fault, or "heal", while the page shows what is so now; else says why not.
  #press(name, fault) {
    const node = this.node(name);
    if (this.mode === "frozen") {
      this.refused = name;
      this.changed();
    }
    if (!node?.faults || this.mode !== "live") return;
    if (fault === "heal") this.switches.heal(node);
    else this.switches.press(node, fault);
  }

  #note(name, failure) {
    if (failure === null) this.failures.delete(name);
    else this.failures.set(name, failure);
    this.changed();
  }
}

// Whether a node answers behind the page, so that its faults and receipts can be asked for.
function isServed(mode) {
  return mode === "live" || mode === "frozen";
}

// Returns the text of a row.
function rowText(state, text) {
  if (state === "shown") return text === undefined ? "…" : shown(text, ROW_CHARACTERS);
  if (state === "held") return text === undefined ? "held" : `held: ${shown(text, ROW_CHARACTERS)}`;
  return "";
}

// Returns the parts of a new row.
function buildRow(receipt) {
  const lead = make("span", { class: "unseen" });
  const text = make("bdi");
  const button = make("button", {
    type: "button",
    class: "receipt",
    "aria-label": "receipt",
    title: "receipt",
    hidden: true,
  });
  button.addEventListener("click", () => receipt(button.receiptId));
  return { lead, text, button, item: make("li", {}, lead, text, button) };
}

// Lets one of the buttons that are shown be reached by Tab, and the others by the arrow keys.
function rove(buttons) {
  const visible = buttons.filter((button) => !button.hidden);
  const current =
    visible.find((button) => button.tabIndex === 0 && button === document.activeElement) ??
    visible.at(-1);
  for (const button of buttons) {
    const index = button === current ? 0 : -1;
    if (button.tabIndex !== index) button.tabIndex = index;
  }
}

// Moves the focus from one receipt button to the next by the arrow keys.
function walk(event) {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step || !event.target.matches("button.receipt")) return;
  const buttons = [...event.currentTarget.querySelectorAll("button.receipt:not([hidden])")];
  const next = buttons[buttons.indexOf(event.target) + step];
  if (next) {
    event.preventDefault();
    next.tabIndex = 0;
    next.focus();
    event.target.tabIndex = -1;
  }
}

// Returns the number of rows that the window of the browser has room for.
function rowCount() {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const rows = Math.floor((innerHeight * ROWS_SHARE) / (rem * ROW));
  return Math.min(MOST_ROWS, Math.max(FEWEST_ROWS, rows));
}
