// What the page shows, and when: live, frozen, stepped back, or a recording. One loop draws, once a
// frame, and only if something changed or time goes on.

import { Model, KEPT } from "./model.js";
import { RecordingError } from "./recording-format.js";
import { download, opened, saved } from "./recording.js";
import { markedWords } from "./sentences.js";
import { liveSource, pageTime } from "./source.js";

// Events that come later than this are no news, in microseconds.
const NEWS = 5_000_000;

// Time between two renewals of what has words and lists, in milliseconds, while things come. More
// often: nobody reads as fast.
const RENEW_MS = 100;

// How long the page says what is wrong with a file, in milliseconds. Shorter: it is gone before it is read.
// Longer: it stands beside other work.
const WRONG_MS = 20_000;

// Time between two frames for whoever asks for less motion, and while nodes are busy, in milliseconds:
// each frame takes processor time from nodes on the same machine. Longer: time goes on in jerks.
const CALM_FRAME_MS = 500;

export class App {
  model = new Model();
  recording = null;
  // `since`: when that state began, by the page's clock, in milliseconds.
  connection = { state: "connecting", detail: null, since: 0 };
  selected = null;
  // Said by the page's live region; set by whoever has it.
  say = () => {};
  // What is wrong with a file that was opened; null: nothing.
  openError = null;
  #live = this.model;
  // The moment shown; null: now.
  #t = null;
  // Where time stood when it was frozen.
  #end = null;
  // Speed of time: 0 while it stands.
  #rate = 0;
  #playedAt = 0;
  #view = null;
  #isChanged = true;
  // Whether something came since the last renewal.
  #isNews = false;
  #renewedAt = -Infinity;
  #drawnAt = -Infinity;
  // Whether a frame is to come, and what waits until it is time for it.
  #isAsked = false;
  #timer = null;
  #isStill;
  // Ends what is said of a file.
  #wrongTimer = null;
  #listeners = [];
  #eventListeners = [];
  #drawers = [];

  // Whether time was stopped because a scenario had ended.
  #isAtEnd = false;

  // `isStill()`: whether the user asks for less motion.
  constructor({ isStill }) {
    this.#isStill = isStill;
  }

  // Begins to read the stream.
  start() {
    liveSource({
      onItem: (item) => this.#take(item),
      onStatus: (connection) => this.#connected(connection),
    });
    document.addEventListener("visibilitychange", () => this.changed());
    this.changed();
  }

  get live() {
    return this.#t === null;
  }

  // Whether a scenario was played, and whoever played it is gone.
  get isOver() {
    return this.connection.state === "lost" && this.#live.stepsAt(Infinity).length > 0;
  }

  get rate() {
    return this.#rate;
  }

  get view() {
    this.#view ??= this.model.view(this.t, this.live);
    return this.#view;
  }

  // What is so now, whatever is shown.
  get now() {
    return this.#live.view(this.#live.now(pageTime()), true);
  }

  // The moment shown.
  get t() {
    return this.#t ?? this.model.now(pageTime());
  }

  // The span of time that can be shown.
  get range() {
    if (this.recording) return [this.recording.from, this.recording.to];
    const end = this.#end ?? this.model.now(pageTime());
    return [end - KEPT, end];
  }

  // Calls `listener(app)` at most once a frame, when something changed.
  onChange(listener) {
    this.#listeners.push(listener);
  }

  // Calls `listener(event)` for each event as it happens; not for what is old when it comes, and not
  // while a recording is shown.
  onEvent(listener) {
    this.#eventListeners.push(listener);
  }

  // Calls `draw(now, isChanged)` each frame while time goes on, and when somebody did something:
  // `isChanged`.
  onFrame(draw) {
    this.#drawers.push(draw);
  }

  // Asks for a frame, at once: somebody did something.
  changed() {
    this.#isChanged = true;
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
      this.#isAsked = false;
    }
    this.#ask();
  }

  // Stops time, or lets it go on from now.
  freeze(isFrozen) {
    if (this.recording) return this.play(isFrozen ? 0 : 1);
    if (isFrozen === !this.live) return undefined;
    this.#end = isFrozen ? this.t : null;
    this.#t = this.#end;
    this.#live.keepAll(isFrozen);
    this.openError = null;
    return this.#moved();
  }

  // Shows a moment.
  seek(t) {
    if (this.live) this.freeze(true);
    const [from, to] = this.range;
    this.#t = Math.min(Math.max(t, from), to);
    this.#moved();
  }

  // Lets the time of a recording go on, so many times as fast; 0: it stands.
  play(rate) {
    if (!this.recording) return;
    if (rate > 0 && this.#t >= this.recording.to) this.#t = this.recording.from;
    this.#rate = rate;
    this.#playedAt = performance.now();
    this.#moved();
  }

  // Marks the messages `[first, end)`; null: none.
  select(ids) {
    if (ids !== null) this.say(markedWords(ids));
    else if (this.selected !== null) this.say("Nothing is marked.");
    this.selected = ids;
    this.changed();
  }

  // Gives the user what is kept as a file, and returns the file's name.
  save() {
    const name = `acklog-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.ndjson`;
    download(saved(this.model, Date.now()), name);
    return name;
  }

  // Opens a recording. What is wrong with it is in `openError`.
  async open(file) {
    try {
      const { head, model, from, to, start } = await opened(file);
      if (!this.live && !this.recording) this.freeze(false);
      this.model = model;
      this.recording = { ...head, from, to, length: to - from };
      this.openError = null;
      this.#rate = 0;
      this.#t = start;
      this.selected = null;
      this.say(`The recording is open. ${head.title}`);
    } catch (error) {
      const isKnown = error instanceof RecordingError;
      this.#setWrong(isKnown ? error.message : `This recording cannot be shown: ${error.message}.`);
    }
    this.#moved();
  }

  // Says for a while what is wrong with a file.
  #setWrong(text) {
    this.openError = text;
    this.say(text);
    clearTimeout(this.#wrongTimer);
    this.#wrongTimer = setTimeout(() => {
      this.openError = null;
      this.changed();
    }, WRONG_MS);
  }

  // Goes back from a recording to what is live.
  close() {
    this.recording = null;
    this.openError = null;
    this.model = this.#live;
    this.#t = null;
    this.#rate = 0;
    this.selected = null;
    this.#moved();
  }

  #moved() {
    this.#view = null;
    this.changed();
  }

  #take(item) {
    const news = this.#live.take(item);
    if (this.model === this.#live && this.live) {
      this.#isNews = true;
      this.#ask();
    }
    if (news === null || this.recording || this.#live.now(pageTime()) - news.t > NEWS) return;
    for (const listener of this.#eventListeners) listener(news);
  }

  #connected(connection) {
    const isOpen = connection.state === "open";
    const isOther = isOpen !== (this.connection.state === "open") && this.connection.state !== "connecting";
    const isSame = connection.state === this.connection.state;
    this.connection = { ...connection, since: isSame ? this.connection.since : performance.now() };
    if (this.isOver) {
      this.#stopAtEnd();
    } else {
      if (isOther) this.#live.take({ at: pageTime(), event: "connection", data: { open: isOpen } });
      // The next scenario plays.
      if (isOpen && this.#isAtEnd && !this.recording) this.freeze(false);
      this.#isAtEnd = false;
    }
    this.#moved();
  }

  // Stops time at the end of a scenario, so that it stays in sight.
  #stopAtEnd() {
    if (this.#isAtEnd) return;
    this.#isAtEnd = true;
    if (!this.recording) this.freeze(true);
    this.say("The scenario is over.");
  }

  // Asks for the next frame, when it is due.
  #ask() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    const draw = () => {
      this.#timer = null;
      requestAnimationFrame(() => this.#frame());
    };
    const isCalm = this.#isStill() || (this.live && this.#live.isBusy(pageTime()));
    const pause = isCalm && !this.#isChanged ? this.#drawnAt + CALM_FRAME_MS - performance.now() : 0;
    if (pause > 0) this.#timer = setTimeout(draw, pause);
    else draw();
  }

  #frame() {
    this.#isAsked = false;
    const now = performance.now();
    this.#drawnAt = now;
    if (this.#rate > 0) this.#advance(now);
    const isChanged = this.#isChanged;
    const isDue = this.#isNews && now - this.#renewedAt >= RENEW_MS;
    if (isChanged || isDue) {
      if (isDue || this.#rate > 0) this.#view = null;
      this.#isChanged = false;
      this.#isNews = false;
      this.#renewedAt = now;
      for (const listener of this.#listeners) listener(this);
    }
    for (const draw of this.#drawers) draw(now, isChanged);
    if (this.live || this.#rate > 0) this.#ask();
  }

  #advance(now) {
    this.#t += (now - this.#playedAt) * 1000 * this.#rate;
    this.#playedAt = now;
    if (this.#t >= this.recording.to) {
      this.#t = this.recording.to;
      this.#rate = 0;
      this.#isChanged = true;
    }
    this.#isNews = true;
  }
}
