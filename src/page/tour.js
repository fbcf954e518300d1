// The guided tour: a panel beside the page with five experiments. It points at the control to use,
// notices by itself that a step was done, and heals what it broke.

import { Arrow, newestMark } from "./arrow.js";
import { make, part, setAttribute, setData, show } from "./dom.js";
import { Sight } from "./sight.js";
import { experiments, hindrance, marksOf } from "./tour-script.js";

// How long a mark on the timeline is pointed at, in milliseconds. Shorter: it is overlooked.
// Longer: the next control is pointed at too late.
const SHOWN_MS = 2500;

const INTRODUCTION =
  "Each breaks something, says what to watch and why it goes so, and heals it in the end. Choose one.";

// The tour. `appends()` returns the appends of this page, `command` sends a fault (see NodesView),
// `changed()` asks for a new drawing, `say(text)` tells it to people who do not see the page.
export class Tour {
  constructor({ panel, button, appends, command, changed, say }) {
    Object.assign(this, { panel, button, appends, command, changed, say });
    this.sight = new Sight();
    this.done = new Set();
    this.chosen = null;
    this.arrow = new Arrow(panel);
    button.addEventListener("click", () => this.toggle());
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggle();
    });
    addEventListener("pagehide", () => this.#end());
  }

  // Whether the panel is open.
  get open() {
    return !this.panel.hidden;
  }

  // Opens the panel, or closes it and heals what the running experiment broke.
  toggle() {
    show(this.panel, !this.open);
    setAttribute(this.button, "aria-expanded", String(this.open));
    setData(document.documentElement, "tour", this.open ? "open" : null);
    if (this.open) {
      this.#draw();
      this.panel.querySelector("h2").focus();
    } else {
      this.#end();
      this.button.focus();
    }
    this.changed();
  }

  // Takes an event of a node.
  take(event) {
    if (this.chosen) this.sight.take(event);
  }

  // Looks whether the step is done. `mode`: see hindrance() of tour-script.js.
  update(view, mode) {
    this.sight.look(view, this.appends());
    if (!this.open) return;
    const nodes = view.nodes().filter(({ isMember }) => isMember);
    const secondaries = nodes.filter((node) => node.role !== "master").map((node) => node.name);
    const master = nodes.find((node) => node.role === "master")?.name;
    const faultsOff = nodes.filter((node) => node.health && !node.faults).map((node) => node.name);
    const why = hindrance({ mode, master, secondaries, faultsOff });
    const key = why ?? [master, ...secondaries].join(" ");
    if (key !== this.key) {
      this.#end();
      this.key = key;
      this.why = why;
      this.list =
        why === null
          ? experiments({
              master,
              near: secondaries[0],
              far: secondaries.at(-1),
              size: view.clusterSize(),
            })
          : [];
      this.#draw();
    }
    this.#judge();
    this.#point();
  }

  // Notes that the current step is done, where it is.
  #judge() {
    const step = this.chosen?.steps[this.at];
    if (!step) return;
    const happened = step.done(this.sight);
    if (!happened) {
      this.#goBack(step.again?.(this.sight));
      return;
    }
    this.hint = null;
    this.told.push(happened);
    this.say(`There: ${happened}`);
    this.at += 1;
    const event = step.event?.(this.sight) ?? null;
    this.shown = { marks: marksOf(step), event, until: performance.now() + SHOWN_MS };
    setTimeout(this.changed, SHOWN_MS);
    this.sight.begin(this.#lastNumber());
    if (this.at === this.chosen.steps.length) {
      this.done.add(this.list.indexOf(this.chosen));
      this.#heal();
    }
    this.#draw();
  }

  // Goes back to the step before, where there is a reason to.
  #goBack(hint) {
    if (!hint) return;
    this.hint = hint;
    this.told.pop();
    this.at -= 1;
    this.sight.begin(this.#lastNumber());
    this.say(hint);
    this.#draw();
  }

  #lastNumber() {
    return Math.max(0, ...this.appends().map((entry) => entry.number));
  }

  // Begins an experiment, after healing what the one before broke.
  #begin(experiment) {
    this.#end();
    this.chosen = experiment;
    this.at = 0;
    this.told = [];
    this.hint = null;
    this.shown = null;
    this.sight.begin(this.#lastNumber());
    this.#draw();
    this.changed();
  }

  #end() {
    if (this.chosen && this.at < this.chosen.steps.length) this.#heal();
    this.chosen = null;
    this.#point();
  }

  #heal() {
    for (const node of this.chosen.breaks) this.command(node, "DELETE", "/faults", null);
  }

  #draw() {
    const parts = [
      make(
        "div",
        { class: "bar" },
        make("h2", { id: "tour-title", tabindex: "-1" }, "Five experiments"),
        make(
          "button",
          {
            type: "button",
            class: "quiet",
            "aria-label": "close the tour",
            on: { click: () => this.toggle() },
          },
          "close",
        ),
      ),
    ];
    if (!this.why && !this.chosen) parts.push(make("p", {}, INTRODUCTION));
    if (this.why) parts.push(make("p", {}, this.why));
    else
      parts.push(
        make(
          "ol",
          { class: "experiments" },
          ...(this.list ?? []).map((one, at) => this.#experiment(one, at)),
        ),
      );
    const inside = this.panel.contains(document.activeElement);
    this.panel.replaceChildren(...parts);
    if (inside) this.#focus();
    // What is to be read next, or the end of the experiment.
    const next =
      this.panel.querySelector("li[data-state='now']") ?? this.panel.querySelector(".ending");
    next?.scrollIntoView({ block: "nearest" });
  }

  // Moves the focus, which was in the panel, to what is to be read next.
  #focus() {
    const next = this.panel.querySelector("[data-state='now'], button.main, h2");
    next.focus();
  }

  #experiment(experiment, at) {
    const current = experiment === this.chosen;
    const over = current && this.at === experiment.steps.length;
    const item = make(
      "li",
      { data: { experiment: at + 1, state: over || this.done.has(at) ? "done" : null } },
      make(
        "h3",
        {},
        make(
          "button",
          {
            type: "button",
            class: "quiet",
            "aria-expanded": String(current),
            on: { click: () => (current ? this.#leave() : this.#begin(experiment)) },
          },
          `${at + 1}. ${experiment.title}`,
        ),
      ),
    );
    if (!current) return item;
    item.append(
      make("p", {}, experiment.intro),
      make(
        "ol",
        { class: "steps" },
        ...experiment.steps.map((step, number) => this.#step(step, number)),
      ),
    );
    if (over) item.append(this.#ending(experiment, at));
    return item;
  }

  #leave() {
    this.#end();
    this.#draw();
    this.changed();
  }

  #step(step, number) {
    const state = number < this.at ? "done" : number === this.at ? "now" : "later";
    const item = make(
      "li",
      { tabindex: state === "now" ? "-1" : null, data: { step: number, state } },
      make("p", { class: "act" }, step.act),
    );
    if (state !== "later") item.append(make("p", { class: "watch" }, `Watch: ${step.watch}`));
    if (state === "now" && this.hint) item.append(make("p", { class: "there" }, this.hint));
    if (state === "done") item.append(make("p", { class: "there" }, `There: ${this.told[number]}`));
    return item;
  }

  // Returns the end of an experiment: why it went so, and what is next.
  #ending(experiment, at) {
    const next = this.list[at + 1];
    const begin = { type: "button", class: "main", on: { click: () => this.#begin(next) } };
    return make(
      "div",
      { class: "ending" },
      make("p", { class: "why" }, `Why: ${experiment.why}`),
      make("p", { class: "soft" }, `${experiment.breaks.join(", ")}: healed.`),
      next
        ? make("button", begin, "next experiment")
        : make("p", {}, "That was the last one. Break what you like: the buttons stay."),
    );
  }

  // Points at the control of the step or, shortly after it was done, at the mark that shows it.
  #point() {
    this.arrow.point(this.open && this.chosen ? this.#target() : null);
  }

  // Returns the element to point at, or null.
  #target() {
    if (this.shown && performance.now() < this.shown.until) {
      const { marks, event } = this.shown;
      return newestMark(document.querySelectorAll(marks), event);
    }
    const point = this.chosen.steps[this.at]?.point;
    if (!point) return null;
    if (point.id) {
      const element = part(point.id);
      // What is chosen already is appended next.
      if (element?.checked) return part("append-button");
      return element?.closest("label") ?? element;
    }
    const column = [...document.querySelectorAll("section[data-node]")].find(
      (one) => one.dataset.node === point.node,
    );
    return point.fault
      ? (column?.querySelector(`button[data-fault="${point.fault}"]`) ?? null)
      : (column ?? null);
  }
}
