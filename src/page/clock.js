// The clocks of the nodes, placed on one axis: that of the master, the reference.
//
// Each node has a wall clock of its own. A frame is received after it was sent, and answered after
// that: so each exchange bounds how far a node's clock is ahead of the reference. Clocks that fit
// these bounds are used as they are. Others are moved to the middle between their bounds.

import { SECOND } from "./timed.js";

// Differences below this are not corrected, in microseconds: on a machine with much to do, what
// happened is stamped some ms later. Smaller: clocks that agree are moved. Larger: arrows of some ms
// are drawn upright.
const TOLERANCE = 10_000;

// Time that one span of observations covers, and the number of spans kept: clocks drift, and are
// set.
const SPAN = 10 * SECOND;
const SPANS = 6;

// Until an exchange bounds a node's clock, its shift is taken from times of arrival, if it is at least
// this much, in microseconds.
const HINT = 250_000;

// The smallest value observed within the last minute.
class Smallest {
  #spans = [];

  note(at, value) {
    const span = Math.floor(at / SPAN);
    const last = this.#spans.at(-1);
    if (last?.span === span) last.value = Math.min(last.value, value);
    else {
      this.#spans.push({ span, value });
      if (this.#spans.length > SPANS) this.#spans.shift();
    }
  }

  get value() {
    let value = Infinity;
    for (const span of this.#spans) value = Math.min(value, span.value);
    return value;
  }

  // Forgets all but the latest span.
  renew() {
    this.#spans = this.#spans.slice(-1);
  }

  clear() {
    this.#spans = [];
  }
}

class NodeClock {
  // Microseconds by which this clock is ahead of the reference, as used.
  shift = 0;
  // Whether it was moved when only one of its bounds was known.
  #isRough = false;
  // Upper bounds of that, and negated lower ones.
  upper = new Smallest();
  lower = new Smallest();
  // Time from an event to its arrival, the clocks' difference included.
  arrival = new Smallest();

  get bounds() {
    return [-this.lower.value, this.upper.value];
  }

  // Moves the shift into its bounds, if it is outside.
  fit(hint) {
    let [low, high] = this.bounds;
    if (low > high + TOLERANCE) {
      this.upper.renew();
      this.lower.renew();
      [low, high] = this.bounds;
      if (low > high + TOLERANCE) {
        this.upper.clear();
        this.lower.clear();
        return;
      }
    }
    const middle = (low + high) / 2;
    const isBounded = Number.isFinite(middle);
    const fits = this.shift >= low - TOLERANCE && this.shift <= high + TOLERANCE;
    if (fits && !(this.#isRough && isBounded)) return;
    this.#isRough = !isBounded;
    this.shift = isBounded ? middle : Math.min(Math.max(hint, low), high);
  }
}

export class Clocks {
  #nodes = new Map();
  #reference = null;
  #virtual;

  // With `virtual`, all times are of one clock and never moved.
  constructor(virtual = false) {
    this.#virtual = virtual;
  }

  get virtual() {
    return this.#virtual;
  }

  get hasReference() {
    return this.#reference !== null;
  }

  // Names the node whose clock is the axis.
  refer(node) {
    if (this.#reference === node) return;
    this.#reference = node;
    this.#clock(node).shift = 0;
    this.#clearBounds();
  }

  // Whether a node's clock is the axis, and may be set.
  isReference(node) {
    return !this.#virtual && this.#reference === node;
  }

  // Forgets a node.
  forget(node) {
    this.#nodes.delete(node);
  }

  // Notes that the clock that is the axis was set back.
  setBack() {
    this.#clock(this.#reference).arrival.clear();
    this.#clearBounds();
  }

  // Notes that something that happened on a node at `time` came at `at`.
  arrived(node, time, at) {
    const clock = this.#clock(node);
    clock.arrival.note(at, at - time);
    if (node === this.#reference || this.#virtual) return;
    const hint = this.#hint(clock);
    if (Math.abs(hint - clock.shift) < HINT) return;
    const [low, high] = clock.bounds;
    if (low === -Infinity && high === Infinity) clock.shift = hint;
  }

  // Notes that `before` on a node came before `after` on another; times by their own clocks.
  order(before, after) {
    if (this.#virtual) return;
    if (before.node === this.#reference) {
      const clock = this.#clock(after.node);
      clock.upper.note(after.time, after.time - before.time);
      clock.fit(this.#hint(clock));
    } else if (after.node === this.#reference) {
      const clock = this.#clock(before.node);
      clock.lower.note(before.time, after.time - before.time);
      clock.fit(this.#hint(clock));
    }
  }

  // Returns a node's time by the reference's clock, in microseconds.
  place(node, time) {
    return time - this.#clock(node).shift;
  }

  // Returns the reference's time at an arrival time of the page, in microseconds.
  now(at) {
    if (this.#virtual) return at;
    const least = this.#clock(this.#reference).arrival.value;
    return Number.isFinite(least) ? at - least : at;
  }

  // Returns how far a node's clock is ahead, and how exactly that is known, in microseconds.
  of(node) {
    const clock = this.#clock(node);
    const [low, high] = clock.bounds;
    return { shift: clock.shift, within: (high - low) / 2 };
  }

  // Returns which clock the axis is, `{virtual, reference, moved}`: with the node whose clock it is, or
  // null, and those whose events are moved, as `{name, shift, within}`; see `of`.
  facts() {
    const names = this.#virtual ? [] : [...this.#nodes.keys()].sort();
    const moved = names
      .filter((name) => name !== this.#reference)
      .map((name) => ({ name, ...this.of(name) }))
      .filter(({ shift }) => Math.abs(shift) > TOLERANCE);
    return { virtual: this.#virtual, reference: this.#reference, moved };
  }

  // Forgets the bounds of all clocks, which are relative to what the axis was before.
  #clearBounds() {
    for (const { upper, lower } of this.#nodes.values()) {
      upper.clear();
      lower.clear();
    }
  }

  #hint(clock) {
    const own = clock.arrival.value;
    const reference = this.#clock(this.#reference).arrival.value;
    return Number.isFinite(own) && Number.isFinite(reference) ? reference - own : 0;
  }

  #clock(node) {
    let clock = this.#nodes.get(node);
    if (clock === undefined) {
      clock = new NodeClock();
      this.#nodes.set(node, clock);
    }
    return clock;
  }
}
