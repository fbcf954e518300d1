// The timeline: a lane for the clients and one for each node, drawn from the things of the model.
//
// The window stands still and fills from left to right. When it is full it turns over by half. Marks
// are made once and changed where their thing changes; nothing is drawn again as a whole unless the
// window is another.

import { bandMark, linesOf } from "./band-marks.js";
import { Density } from "./density.js";
import { isOdd } from "./exchanges.js";
import { Lanes, nextStart, Room, Rows, stepTime, windowStart } from "./lanes.js";
import { appendMarks, exchangeMarks, inWindow, LABELLED, pointMarks } from "./marks.js";
import { appendLabel } from "./labels.js";
import { Sampling } from "./sampling.js";
import { Stage } from "./stage.js";
import { quietWords } from "./sentences.js";
import { SECOND } from "./timed.js";

// Messages drawn in a window of 1,000 pixels, for a cluster of n nodes divided by n + 1: each message has
// marks on every lane. More: none can be told from another, and the page draws too slowly. Fewer: less
// is seen.
const MESSAGES = 200;

// Most marks at once. More: a slow machine draws fewer than 60 frames a second.
const MOST_MARKS = 900;

// Most things out of the ordinary that are drawn of a second although their messages are not sampled.
const MOST_ODD = 12;

// Bars and bands that go on are redrawn each frame while they are at most MOST_GROWING, otherwise once in
// GROWS_EVERY microseconds.
const MOST_GROWING = 16;
const GROWS_EVERY = 100_000;

// Times whose difference is a smaller share of the window cannot be told apart on its axis, and are
// one step. Smaller: some steps show nothing else. Larger: some events have no step of their own.
const ONE_STEP = 1 / 20_000;

// Share of the window behind which its end is near. Smaller: it turns over more often. Larger: words are cut.
const AT_END = 0.9;

// Points so near to the begin of a window have their words placed anew when it turns over, in rem.
// Smaller: the words of some are cut.
const NEAR = 20;

const ODD_POINTS = new Set(["held", "gap-closed", "duplicate", "store-delayed"]);

export class Timeline {
  #stage;
  #lanes = null;
  #model = null;
  #start = null;
  #span = 10_000_000;
  #sampling = null;
  #density = null;
  #rows = null;
  #room = null;
  #lines = new WeakMap();
  #odd = new Map();
  // Things that are drawn; of these, what goes on.
  #drawn = new Set();
  #growing = new Set();
  #grewAt = -Infinity;
  // Whether things changed while time stood still; they are not drawn yet.
  #isBehind = false;
  // Where the things end, and the moment shown while time stands; null: time goes on.
  #now = 0;
  #moment = null;

  // `root` gets the timeline. `onPick(ids)` is called when a mark is clicked, `onResize()` when it is
  // to be drawn again.
  constructor(root, { onPick, onResize }) {
    this.#stage = new Stage(root, { onPick, onResize });
  }

  get svg() {
    return this.#stage.svg;
  }

  // Sets the length of the window, in microseconds.
  setSpan(span) {
    this.#span = span;
  }

  // Draws the moment `t` of a model. `range`: the span of time that can be shown. `isRecording`: it is that
  // of a recording, and no window begins before it. `isLive`: things still come. `isMoving`: the moment goes
  // on. `nodes`: those of the view.
  draw({ model, t, isLive, isMoving, nodes, range, isRecording }) {
    const { size } = this.#stage;
    if (size.width === 0) return;
    const lanes = new Lanes({ ...size, nodes, span: this.#span });
    const isOther = model !== this.#model || !lanes.isLike(this.#lanes);
    if (isOther) this.#start = null;
    const start = this.#startFor(t, isMoving, isRecording ? range[0] : -Infinity);
    this.#now = isLive ? t : range[1];
    const isTurned = start !== this.#start;
    if (isOther || (isTurned && !(isLive && start > this.#start))) {
      this.#rebuild(model, lanes, start, nodes);
    } else if (isTurned) {
      this.#turn(start);
    }
    // What came since the last drawing before time was stopped is shown too.
    const isStopped = !isLive && !isOther && this.#moment === null;
    this.#showMoment(isLive ? null : t);
    const changed = model.things.takeChanged();
    if (isStopped) this.#grewAt = -Infinity;
    if (isLive || isStopped) this.#take(changed, t);
    else if (changed.size > 0) this.#isBehind = true;
    if (isLive && this.#isBehind) this.#rebuild(model, lanes, start, nodes);
    const { every } = this.#sampling;
    this.#stage.setLeft(every === 1 ? "" : `drawn: 1 of ${every} messages; the columns count the others`);
    this.#density.draw(this.#stage, this.#lanes, t);
    const future = isLive ? null : isMoving ? "unknown" : "known";
    this.#stage.setHand(this.#lanes.x(t) + this.#shift(), this.#lanes, future);
    const quiet = (moment) => quietWords(moment, range, isRecording);
    this.#stage.setNow(isMoving ? null : t, this.#span * ONE_STEP, quiet);
  }

  // Whether a time is in the window.
  has(t) {
    return this.#start !== null && t >= this.#start && t <= this.#start + this.#span;
  }

  // Lets the window begin anew when it is drawn next, with room on both sides of the moment shown.
  takeOtherWindow() {
    this.#start = null;
  }

  // Marks the messages `[first, end)`; null: none.
  pick(ids) {
    this.#stage.pick(ids);
  }

  // Returns the time of the step before or after `t`, also beyond the window; null: there is none.
  step(t, direction) {
    const near = this.#span * ONE_STEP;
    const drawn = stepTime(this.#stage.times(), t, direction, near);
    if (drawn !== null) return drawn;
    const [from, to] = direction > 0 ? [t, Infinity] : [-Infinity, t - near];
    const things = this.#model.things.between(from, to);
    return stepTime(
      things.flatMap((thing) => [thing.t, thing.last]),
      t,
      direction,
      near,
    );
  }

  #startFor(t, isMoving, from) {
    if (!isMoving) return this.has(t) && !this.#isAtEnd(t) ? this.#start : Math.max(from, windowStart(t, this.#span));
    return Math.max(from, nextStart(this.#start, t, this.#span));
  }

  // Whether somebody went on to a moment so near to the end of the window that what happens there is cut.
  #isAtEnd(t) {
    const isForward = this.#moment !== null && t > this.#moment;
    return isForward && t > this.#start + this.#span * AT_END;
  }

  // Lets the words of clients say what was so at a moment; null: what is so now.
  #showMoment(moment) {
    const before = this.#moment;
    if (before === moment) return;
    this.#moment = moment;
    const [from, to] =
      before === null || moment === null
        ? [-Infinity, Infinity]
        : [Math.min(before, moment), Math.max(before, moment)];
    for (const thing of this.#drawn) {
      const isOther = thing.type === "append" && thing.t <= to && (thing.endedAt ?? Infinity) >= from;
      if (isOther) this.#update(thing, false);
    }
  }

  #shift() {
    return -(this.#start - this.#lanes.origin) * this.#lanes.pxPerMicro;
  }

  #rebuild(model, lanes, start, nodes) {
    this.#isBehind = false;
    this.#model = model;
    this.#lanes = lanes;
    this.#start = start;
    lanes.origin = start;
    this.#drawn.clear();
    this.#growing.clear();
    this.#odd.clear();
    this.#rows = new Rows(lanes.rows);
    this.#room = new Room();
    this.#lines = new WeakMap();
    this.#density = new Density();
    this.#stage.begin(lanes, nodes, start, model.clocks.virtual);
    const others = Math.max(1, nodes.length - 1);
    this.#sampling = new Sampling((MESSAGES * (lanes.right - lanes.left)) / 1000 / (others + 2), lanes.span);
    const things = model.things.between(start, start + lanes.span);
    const messages = things.reduce(
      (sum, thing) => (thing.type === "append" ? sum + thing.end - thing.first : sum),
      0,
    );
    const filled = Math.min(lanes.span, Math.max(SECOND, this.#now - start));
    this.#sampling.set((messages * SECOND) / filled);
    for (const thing of things) this.#update(thing, false);
  }

  // Turns the window over: what ended before it goes, the rest moves to the left.
  #turn(start) {
    this.#start = start;
    for (const thing of this.#drawn) {
      // An exchange that is not over is drawn again when something is heard of it.
      const stays = thing.open && thing.type !== "exchange";
      if (thing.last < start && !stays) this.#remove(thing);
    }
    for (const second of this.#odd.keys()) if (second * SECOND < start) this.#odd.delete(second);
    this.#density.forget(this.#lanes, start);
    this.#stage.turn(this.#shift(), this.#lanes, start, this.#model.clocks.virtual);
    for (const thing of this.#drawn) {
      // The words of what began before stand at the begin of the window; those of points within it.
      if (thing.type === "point") this.#turnPoint(thing, start);
      else if (thing.t < start && thing.type !== "exchange") this.#update(thing, false);
    }
  }

  // Draws a point anew whose words would reach out of the window that begins now.
  #turnPoint(point, start) {
    const isNear = (this.#lanes.x(point.t) - this.#lanes.x(start)) / this.#lanes.rem < NEAR;
    if (!isNear || !LABELLED.has(point.kind)) return;
    this.#room.forget(point);
    this.#update(point, false);
  }

  #take(changed, t) {
    for (const thing of changed) {
      if (thing.open || thing.last >= this.#start) this.#update(thing, true);
    }
    const isMuch = this.#growing.size > MOST_GROWING;
    if (isMuch && Math.abs(t - this.#grewAt) < GROWS_EVERY) return;
    this.#grewAt = t;
    for (const thing of this.#growing) this.#update(thing, false);
  }

  #update(thing, isNews) {
    if (isNews && thing.type === "append" && !this.#drawn.has(thing)) {
      if (!this.#density.knows(thing)) this.#sampling.see(thing.ids, thing.t);
    }
    if (!this.#drawn.has(thing) && !this.#getsMarks(thing)) {
      this.#density.count(thing, this.#lanes);
      return;
    }
    const marks = this.#marks(thing);
    // A client that waits has room once it waits for long.
    if (thing.open && (thing.type === "append" || thing.type === "band")) this.#growing.add(thing);
    else this.#growing.delete(thing);
    if (marks === null) return void this.#density.count(thing, this.#lanes);
    this.#drawn.add(thing);
    this.#stage.show(thing, marks);
  }

  // Whether a thing has marks of its own: one of its messages is sampled, or it is out of the ordinary.
  #getsMarks(thing) {
    if (thing.type === "band") return true;
    if (this.#stage.count > MOST_MARKS) return false;
    if (this.#sampling.has(thing.ids)) return true;
    const isOut = thing.type === "point" ? ODD_POINTS.has(thing.kind) : isOdd(thing);
    if (!isOut) return false;
    const second = Math.floor(thing.t / SECOND);
    const count = this.#odd.get(second) ?? 0;
    this.#odd.set(second, count + 1);
    return count < MOST_ODD;
  }

  // Returns the marks of a thing; null: it has no room.
  #marks(thing) {
    const lanes = this.#lanes;
    if (thing.type === "exchange") return exchangeMarks(thing, lanes);
    if (thing.type === "point") return this.#withRoom(thing, pointMarks(thing, lanes));
    if (thing.type === "band") {
      return bandMark(thing, lanes, { start: this.#start, now: this.#now, line: this.#lineOf(thing) });
    }
    const left = Math.max(lanes.x(thing.t), lanes.x(this.#start));
    const end = lanes.x(thing.endedAt ?? Math.max(this.#now, thing.last));
    const room = lanes.x(this.#start + lanes.span) - left;
    const fits = (text) => lanes.widthOf(text, true) <= room;
    const words = appendLabel(thing, this.#sampling.every, this.#stage.names, this.#moment ?? Infinity, fits);
    const width = lanes.widthOf(words, true);
    const space = lanes.rem * 0.5;
    const x = lanes.x(thing.t);
    // What waits goes on till it is drawn again.
    const taken = Math.max(x + 3, end) + (thing.endedAt === null ? space : 0);
    const place = this.#rows.place(thing, x, taken, width + space + left - x);
    if (place === null) return null;
    const label = words && place.words !== null && { text: words, x: Math.max(left, place.words) };
    return appendMarks(thing, lanes, { row: place.row, label, now: Math.max(this.#now, thing.last) });
  }

  // Returns the line of a band's words, which it keeps; null: those of others stand there.
  #lineOf(band) {
    if (this.#lines.has(band)) return this.#lines.get(band);
    const taken = new Set();
    for (const other of this.#drawn) {
      const isThere =
        other.type === "band" && other.node === band.node && (other.end === null || other.end > band.t);
      if (isThere) taken.add(this.#lines.get(other));
    }
    const line = linesOf(band).find((it) => !taken.has(it)) ?? null;
    this.#lines.set(band, line);
    return line;
  }

  // Leaves out the words of a point that would lie on others.
  #withRoom(point, marks) {
    const lanes = this.#lanes;
    const window = [lanes.x(this.#start), lanes.x(this.#start + lanes.span)];
    for (const mark of marks) {
      if (!mark.label) continue;
      const width = lanes.widthOf(mark.label.text);
      mark.label = inWindow(mark.label, width, lanes.x(point.t), window);
      const { x, anchor } = mark.label;
      const from = anchor === "end" ? x - width : x;
      const space = 0.4 * lanes.rem;
      if (!this.#room.has(point, point.node, from, from + width + space)) mark.label = null;
    }
    return marks;
  }

  #remove(thing) {
    this.#drawn.delete(thing);
    this.#growing.delete(thing);
    this.#rows.forget(thing);
    this.#room.forget(thing);
    this.#stage.remove(thing);
  }
}
