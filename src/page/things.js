// What is drawn on the timeline, kept for a while: appends, exchanges of frames, points and bands.
//
// Each thing has `t`, when it began, `last`, when something of it was last heard, and `open`:
// whether it goes on.

import { SECOND } from "./timed.js";

// Most things that are kept because they go on. Smaller: a client that waits for long vanishes when
// others come. Larger: more memory.
const MOST_LASTING = 4000;

export class Things {
  // Seconds, each with the things that began in it.
  #buckets = new Map();
  // Things that began long ago and go on.
  #lasting = new Set();
  #changed = new Set();
  #forgotten;

  // Calls `forgotten` with each thing that is no longer kept.
  constructor(forgotten = () => {}) {
    this.#forgotten = forgotten;
  }

  add(thing) {
    const second = Math.floor(thing.t / SECOND);
    const bucket = this.#buckets.get(second);
    if (bucket) bucket.push(thing);
    else this.#buckets.set(second, [thing]);
    this.#changed.add(thing);
    return thing;
  }

  // Notes that something of a thing was heard at `t`.
  touch(thing, t) {
    thing.last = Math.max(thing.last, t);
    this.#changed.add(thing);
  }

  // Returns the things that changed since the last call.
  takeChanged() {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  get count() {
    let count = this.#lasting.size;
    for (const bucket of this.#buckets.values()) count += bucket.length;
    return count;
  }

  // Forgets what ended before a time. Exchanges are forgotten then even if nothing ended them:
  // their end may have been left out.
  prune(before) {
    const limit = Math.floor(before / SECOND);
    for (const [second, bucket] of this.#buckets) {
      if (second >= limit) continue;
      this.#buckets.delete(second);
      for (const thing of bucket) this.#lasting.add(thing);
    }
    for (const thing of this.#lasting) {
      const stays = thing.last >= before || (thing.open && thing.type !== "exchange");
      if (stays && this.#lasting.size <= MOST_LASTING) continue;
      this.#drop(thing);
    }
  }

  #drop(thing) {
    this.#lasting.delete(thing);
    this.#changed.delete(thing);
    this.#forgotten(thing);
  }

  // Forgets what began after `t`: the clock was set back.
  setBack(t) {
    for (const [second, bucket] of this.#buckets) {
      if ((second + 1) * SECOND <= t) continue;
      this.#buckets.set(second, bucket.filter((thing) => thing.t <= t));
      for (const thing of bucket) if (thing.t > t) this.#drop(thing);
    }
    for (const thing of this.#lasting) if (thing.t > t) this.#drop(thing);
  }

  // Returns when something of the messages `[first, end)` was last told; null: nothing that is kept.
  timeOf([first, end]) {
    const isOf = ({ ids, type }) => type !== "band" && ids && ids[0] < end && ids[1] > first;
    const things = this.between(-Infinity, Infinity).filter(isOf);
    return things.reduce((latest, { last }) => (latest === null || last > latest ? last : latest), null);
  }

  // Returns the things of a span of time, those that began first at first.
  between(from, to) {
    const found = [];
    const reaches = (thing) => thing.t <= to && (thing.open || thing.last >= from);
    for (const thing of this.#lasting) if (reaches(thing)) found.push(thing);
    const seconds = [...this.#buckets.keys()].sort((a, b) => a - b);
    for (const second of seconds) {
      if (second * SECOND > to) break;
      for (const thing of this.#buckets.get(second)) if (reaches(thing)) found.push(thing);
    }
    return found;
  }
}
