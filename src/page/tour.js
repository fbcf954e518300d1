// The guided tour: a panel beside the page with five experiments. It points at the control to use,
// notices by itself that a step was done, and heals what it broke.

import { Arrow, newestMark } from "./arrow.js";
import { disturbance } from "./disturbance.js";
import { make, part, setAttribute, setData, show } from "./dom.js";
import { Sight } from "./sight.js";
import { experiments, hindrance, marksOf, nextInForm } from "./tour-script.js";

// How long what shows that a step was done is pointed at, in milliseconds. Shorter: it is overlooked.
// Longer: the next control is pointed at too late.
const SHOWN_MS = 2500;

const INTRODUCTION =
  "Each breaks something, says what to watch and why it goes so, and heals it in the end. Choose one. " +
  "What each shape and each button means is in help, at the top.";

// What is said while the page is frozen: the experiment goes on when time does.
const FROZEN = "The page is frozen. Press back to now, above the timeline: the tour needs what is so now.";

// The control that lets time go on, or closes a recording.
const BACK = "#timeline-controls .tl-moment + button";

// The bars of senders that wait.
const WAITING = '.tl-svg [data-look="bar"][data-state="waiting"]';

// The tour. `appends()` returns the appends of this page, `command` sends a fault (see NodesView),
// `changed()` asks for a new drawing, `say(text)` tells it to people who do not see the page.
export class Tour {
  constructor({ panel, button, appends, command, changed, say }) {
    Object.assign(this, { panel, button, appends, command, changed, say });
    this.sight = new Sight();
    this.done = new Set();
    this.chosen = null;
    this.isFrozen = false;
    this.mode = null;
    this.arrow = new Arrow(panel);
    button.addEventListener("click", () => this.toggle());
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggle();
    });
    addEventListener("pagehide", () => this.#end());
    // What is chosen and written in the form decides what is to be used next.
    part("append").addEventListener("input", () => this.#point());
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

  // Looks whether the step is done. `mode`: "frozen", or see hindrance() of tour-script.js.
  update(view, mode) {
    this.mode = mode;
    const isFrozen = mode === "frozen";
    // What a frozen page shows is over: nothing of it counts.
    if (!isFrozen) this.sight.look(view, this.appends());
    if (!this.open) return;
    if (isFrozen !== this.isFrozen) {
      this.isFrozen = isFrozen;
      this.#draw();
      if (isFrozen && !this.#isOver()) this.say(FROZEN);
    }
    if (!isFrozen) this.#follow(view, mode);
    this.#point();
  }

  // Has the experiments for the nodes that there are, and looks whether the step is done.
  #follow(view, mode) {
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
  }

  // Notes that the current step is done, where it is.
  #judge() {
    const step = this.chosen?.steps[this.at];
    if (!step || this.#isDisturbed(step)) return;
    const happened = this.happened ?? step.done(this.sight);
    // Where one only watches, there is time to see what shows the step before.
    const isWatched = !step.point || isColumn(step.point);
    if (happened && isWatched && this.#isShowing()) {
      this.happened = happened;
      return;
    }
    this.happened = null;
    if (!happened) {
      const hint = step.again?.(this.sight);
      if (hint) this.#goBack(hint, this.at - 1);
      return;
    }
    this.hint = null;
    this.told.push(happened);
    this.say(`There: ${happened}`);
    this.at += 1;
    const event = step.event?.(this.sight) ?? null;
    const place = step.shows?.(this.sight) ?? null;
    this.shown = { place, marks: marksOf(step), event, until: performance.now() + SHOWN_MS };
    setTimeout(this.changed, SHOWN_MS);
    this.sight.begin(this.#lastNumber());
    if (this.at === this.chosen.steps.length) {
      this.done.add(this.list.indexOf(this.chosen));
      this.#heal();
    }
    this.#draw();
  }

  // Whether the chosen experiment is over, so that nothing waits for what is so now.
  #isOver() {
    return this.chosen !== null && this.at === this.chosen.steps.length;
  }

  // Whether what shows the step before is still pointed at.
  #isShowing() {
    return this.shown !== null && performance.now() < this.shown.until;
  }

  // Whether something keeps the step from telling anything. What happens meanwhile does not count.
  #isDisturbed(step) {
    const found = disturbance(this.chosen, this.at, this.sight);
    if (found?.back !== undefined) {
      this.disturbed = null;
      this.#goBack(found.words, found.back);
      return true;
    }
    const before = this.disturbed;
    this.disturbed = found;
    if (found?.words === before?.words) return found !== null;
    this.happened = null;
    this.shown = null;
    if (found) {
      this.say(found.words);
      this.#draw();
    } else {
      // What one only watches may be over: what leads to it is done once more.
      this.#goBack(null, step.point ? this.at : this.at - 1);
    }
    return true;
  }

  // Goes back to a step. `hint` says why, or is null.
  #goBack(hint, at) {
    this.hint = hint;
    this.told.length = at;
    this.at = at;
    this.happened = null;
    this.sight.begin(this.#lastNumber());
    if (hint) this.say(hint);
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
    this.happened = null;
    this.hint = null;
    this.disturbed = null;
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
    if (this.isFrozen && !this.#isOver()) parts.push(make("p", {}, FROZEN));
    else if (!this.why && !this.chosen) parts.push(make("p", {}, INTRODUCTION));
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
    const over = current && this.#isOver();
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
    const hint = this.disturbed?.words ?? this.hint;
    if (state === "now" && hint) item.append(make("p", { class: "there" }, hint));
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
      experiment.closer ? make("p", {}, experiment.closer) : "",
      make("p", { class: "soft" }, `${experiment.breaks.join(", ")}: healed.`),
      next
        ? make("button", begin, "next experiment")
        : make("p", {}, "That was the last one. Break what you like: the buttons stay."),
    );
  }

  // Points at the control of the step or, shortly after it was done, at what shows it; where the page
  // shows what is over, at the control that ends that.
  #point() {
    const isPast = this.mode === "recording" || (this.mode === "frozen" && !this.#isOver());
    const target = isPast ? document.querySelector(BACK) : this.chosen && this.#target();
    this.arrow.point(this.open ? target : null);
  }

  // Returns the element to point at, or null: of a sender that waits its bar, also where something else
  // is still shown.
  #target() {
    const step = this.chosen.steps[this.at];
    if (step && this.disturbed) return inColumn(this.disturbed.point);
    const bar = step?.waits?.(this.sight) ? newestMark(document.querySelectorAll(WAITING)) : null;
    if (bar) return bar;
    if (this.#isShowing()) {
      const { place, marks, event } = this.shown;
      return place ? inColumn(place) : newestMark(document.querySelectorAll(marks), event);
    }
    if (!step?.point) return null;
    return step.point.concerns ? inForm(step.point) : inColumn(step.point);
  }
}

// Whether a step points at all of a node's column, in which there is nothing to press then.
function isColumn({ node, fault }) {
  return node !== undefined && fault === undefined;
}

// Returns the element of the form to use next, or null: see nextInForm() of tour-script.js.
function inForm(point) {
  const chosen = document.querySelector("input[name='concern']:checked")?.id;
  const element = part(nextInForm(point, { chosen, isEmpty: part("message").value === "" }));
  // The field of a choice is hidden in its label.
  return element?.type === "radio" ? element.closest("label") : element;
}

// Returns the column of a node, its button of a `fault`, a `part` of it, or the `row` of a message in
// its list; null: there is none.
function inColumn({ node, fault, part: name, row }) {
  const columns = [...document.querySelectorAll("section[data-node]")];
  const column = columns.find((one) => one.dataset.node === node) ?? null;
  if (fault) return column?.querySelector(`button[data-fault="${fault}"]`) ?? null;
  if (name) return column?.querySelector(name) ?? null;
  return row === undefined ? column : (column?.querySelector(`.rows li[data-id="${row}"]`) ?? null);
}
