// The controls of time: freeze, steps, the slider, the window, speed, and recordings.

import { make, setAttribute, setText, show } from "./dom.js";
import { idsWords, markedWords, timeWords } from "./sentences.js";
import { SECOND } from "./timed.js";
import { punctuated } from "./words.js";

// Lengths of the window of the timeline, in seconds. Shorter ones than a second show the way of
// frames that take some ms; they would turn over too fast while time goes on.
const SPANS = [0.1, 1, 2, 5, 10, 30];
const SHORTEST_LIVE = 1;
const USUAL = 10;

// Room between marked messages and the moment that is gone to, as a share of the window.
const MARK_ROOM = 0.1;

// Speeds of a recording.
const RATES = [0.25, 1, 4];

// Steps of the slider.
const STEPS = 1000;

// Where Escape has a meaning of its own.
const OWN_ESCAPE = "input, select, textarea, dialog, .tour";

// How long a notice is shown, in milliseconds. Shorter: nobody reads it. Longer: it is old news.
const NOTICE_MS = 8000;

export class TimeControls {
  #app;
  #timeline;
  #parts = {};
  #fields;
  #span = USUAL;
  #recording = null;
  // What was marked when it was drawn last, and when that happened; null: nothing.
  #marked = null;
  #markedAt = null;
  // Hides the notice.
  #timer = null;

  // `root` has the buttons freeze, save and open; `file` is the field of the file to open.
  constructor({ root, freeze, save, open, file, app, timeline }) {
    this.#app = app;
    this.#timeline = timeline;
    this.#fields = { freeze, save, open, file };
    freeze.addEventListener("click", () => this.#toggle());
    save.addEventListener("click", () => this.notice(`saved as ${app.save()}`));
    open.addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      if (file.files.length > 0) void app.open(file.files[0]);
      file.value = "";
    });
    root.append(this.#tools());
    timeline.svg.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("keydown", (event) => {
      const isOnPage = event.target === document.body;
      if (event.key === " " && isOnPage) this.#key(event);
      const isForMarks = event.key === "Escape" && !event.defaultPrevented && !event.target.closest(OWN_ESCAPE);
      if (isForMarks && app.selected) app.select(null);
    });
  }

  // Marks the messages `[first, end)`, and goes to where they are, if that is out of the window.
  mark(ids) {
    const t = this.#app.model.things.timeOf(ids);
    if (t === null || t < this.#app.range[0]) {
      const where = this.#app.recording ? "not in this recording" : "too old to be shown on the timeline";
      this.notice(`${idsWords(ids)} is ${where}`);
      return;
    }
    this.#app.select(ids);
    const isToCome = !this.#app.live && t > this.#app.t;
    // Where all of it has happened, with room for its words: what is to come is pale.
    if (!isToCome && this.#timeline.has(t)) return;
    this.#timeline.takeOtherWindow();
    this.#app.seek(t + this.#span * SECOND * MARK_ROOM);
  }

  // Shows a sentence beside the controls for a while, and says it.
  notice(text) {
    const { notice } = this.#parts;
    this.#app.say(punctuated(text));
    setText(notice, punctuated(text));
    show(notice, true);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => show(notice, false), NOTICE_MS);
  }

  update() {
    this.#fitRecording(this.#app.recording);
    const isStanding = !this.#app.live && this.#app.rate === 0;
    const { freeze, save } = this.#fields;
    setAttribute(freeze, "aria-pressed", String(isStanding));
    save.disabled = this.#app.recording !== null;
    const { span, moment, slider, now, rates, fault } = this.#parts;
    for (const option of span.options)
      option.disabled = this.#app.live && Number(option.value) < SHORTEST_LIVE;
    if (this.#app.live && this.#span < SHORTEST_LIVE) this.#setSpan(SHORTEST_LIVE);
    const [from, to] = this.#app.range;
    const { t } = this.#app;
    show(now, !this.#app.live);
    setText(now, this.#app.recording ? "close the recording" : "back to now");
    show(slider, !this.#app.live);
    show(rates, this.#app.recording !== null);
    for (const button of rates.children) {
      setAttribute(button, "aria-pressed", String(Number(button.value) === this.#app.rate));
    }
    const value = String(Math.round(((t - from) / Math.max(1, to - from)) * STEPS));
    if (slider.value !== value && document.activeElement !== slider) slider.value = value;
    const isVirtual = this.#app.model.clocks.virtual;
    const words = this.#app.live ? "" : this.#momentWords(t, from, to, isVirtual);
    setText(moment, words);
    setAttribute(slider, "aria-valuetext", words);
    this.#showMarked(from);
    setText(fault, this.#app.openError ?? "");
    show(fault, this.#app.openError !== null);
  }

  // Says what is marked, as long as something of it is after `from`: the others are dimmed.
  #showMarked(from) {
    const { marked, markedText } = this.#parts;
    const ids = this.#app.selected;
    if (ids !== this.#marked) {
      this.#marked = ids;
      this.#markedAt = ids && this.#app.model.things.timeOf(ids);
    }
    show(marked, ids !== null);
    if (ids === null) return;
    setText(markedText, markedWords(ids));
    if (this.#markedAt === null || this.#markedAt >= from) return;
    // More may have happened to it since.
    this.#markedAt = this.#app.model.things.timeOf(ids);
    if (this.#markedAt === null || this.#markedAt < from) this.#app.select(null);
  }

  // Takes the shortest window that shows a whole recording, or the usual one.
  #fitRecording(recording) {
    if (recording === this.#recording) return;
    this.#recording = recording;
    const seconds = recording ? recording.length / SECOND : Infinity;
    this.#setSpan(SPANS.find((span) => span >= seconds && span <= USUAL) ?? USUAL);
  }

  #momentWords(t, from, to, isVirtual) {
    if (this.#app.recording) {
      return `${timeWords(t, isVirtual)} (${seconds(t - from)} of ${seconds(to - from)} s)`;
    }
    return `${timeWords(t)} (${seconds(to - t)} s back)`;
  }

  #tools() {
    const span = make(
      "select",
      { "aria-label": "length of the window", on: { change: () => this.#setSpan(Number(span.value)) } },
      ...SPANS.map((seconds) =>
        make("option", { value: seconds, selected: seconds === this.#span }, `${seconds} s`),
      ),
    );
    const step = (name, direction) => {
      return make(
        "button",
        { type: "button", "aria-label": name, on: { click: () => this.#step(direction) } },
        direction < 0 ? "◂" : "▸",
      );
    };
    const slider = make("input", {
      type: "range",
      min: "0",
      max: String(STEPS),
      "aria-label": "moment",
      on: { input: () => this.#slide(slider) },
    });
    const now = make("button", { type: "button", on: { click: () => this.#backToNow() } });
    const rates = make(
      "span",
      { class: "tl-tools" },
      ...RATES.map((rate) => {
        return make(
          "button",
          { type: "button", value: rate, "aria-pressed": "false", on: { click: () => this.#play(rate) } },
          `${rate}×`,
        );
      }),
    );
    const moment = make("span", { class: "tl-moment" });
    const fault = make("p", { class: "alarm", role: "alert", hidden: true });
    const notice = make("span", { class: "tl-notice", hidden: true });
    const markedText = make("span");
    const unmark = make("button", { type: "button", on: { click: () => this.#unmark() } }, "unmark");
    const marked = make("span", { class: "tl-tools tl-marked", hidden: true }, markedText, unmark);
    Object.assign(this.#parts, { span, slider, now, rates, moment, fault, notice, marked, markedText });
    return make(
      "span",
      { class: "tl-tools" },
      step("step back", -1),
      step("step on", 1),
      span,
      slider,
      rates,
      moment,
      now,
      marked,
      notice,
      fault,
    );
  }

  #unmark() {
    this.#app.select(null);
    this.#focusTimeline();
  }

  #toggle() {
    const isStanding = !this.#app.live && this.#app.rate === 0;
    this.#app.freeze(!isStanding);
  }

  #backToNow() {
    if (this.#app.recording) this.#app.close();
    else this.#app.freeze(false);
    this.#focusTimeline();
  }

  // Without scrolling: what somebody is about to press would move away under the pointer.
  #focusTimeline() {
    this.#timeline.svg.focus({ preventScroll: true });
  }

  #play(rate) {
    this.#app.play(this.#app.rate === rate ? 0 : rate);
  }

  #setSpan(seconds) {
    this.#span = seconds;
    this.#parts.span.value = String(seconds);
    this.#timeline.setSpan(seconds * SECOND);
    this.#app.changed();
  }

  // Takes the next shorter or longer window.
  #zoom(direction) {
    const next = SPANS[SPANS.indexOf(this.#span) + direction];
    if (next !== undefined && (next >= SHORTEST_LIVE || !this.#app.live)) this.#setSpan(next);
  }

  #slide(slider) {
    const [from, to] = this.#app.range;
    this.#app.seek(from + ((to - from) * Number(slider.value)) / STEPS);
  }

  #step(direction) {
    if (this.#app.rate > 0) this.#app.play(0);
    const [from, to] = this.#app.range;
    // Beyond the last mark there is the end of what is shown.
    this.#app.seek(this.#timeline.step(this.#app.t, direction) ?? (direction > 0 ? to : from));
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const [from, to] = this.#app.range;
    const actions = {
      ArrowLeft: () => (event.shiftKey ? this.#app.seek(this.#app.t - SECOND) : this.#step(-1)),
      ArrowRight: () => (event.shiftKey ? this.#app.seek(this.#app.t + SECOND) : this.#step(1)),
      Home: () => this.#app.seek(from),
      End: () => this.#app.seek(to),
      "+": () => this.#zoom(-1),
      "-": () => this.#zoom(1),
      " ": () => this.#toggle(),
      Escape: () => (this.#app.selected ? this.#app.select(null) : this.#backToNow()),
    };
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  }
}

// Returns a time in seconds, with one decimal.
function seconds(time) {
  return (time / SECOND).toFixed(1);
}
