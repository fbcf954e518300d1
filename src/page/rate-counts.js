// What is counted for the rates: appends, events and clients that wait, second by second.

import { SECOND } from "./timed.js";

// An end that is so much smaller than the largest one is that of another log. Smaller: news that are
// overtaken count twice. Larger: the first appends of a log that begins anew are not counted.
const MOST_OVERTAKEN = 1000;

export class Rates {
  // Second to `{appends, events, waiting}`.
  #seconds = new Map();
  #end = null;
  #kept;

  constructor(kept) {
    this.#kept = kept;
  }

  event(event, t) {
    this.#at(t).events += 1;
    if (event.kind === "accepted") this.#reached(event.ids[1], t);
  }

  // Takes the health of the master: appends are counted also where their events are left out.
  state({ logEnd, waitingSenders }, t) {
    this.#reached(logEnd, t);
    const second = this.#at(t);
    second.waiting = Math.max(second.waiting ?? 0, waitingSenders ?? 0);
  }

  leftOut(count, t) {
    this.#at(t).events += count;
  }

  prune(before) {
    for (const second of this.#seconds.keys()) {
      if (second < Math.floor(before / SECOND)) this.#seconds.delete(second);
    }
  }

  // Forgets what was counted after `t`: the clock was set back.
  setBack(t) {
    for (const second of this.#seconds.keys()) if (second * SECOND > t) this.#seconds.delete(second);
  }

  // Returns one value a second of the last `count` whole seconds before `t`, the oldest first;
  // null where nothing is known.
  series(t, count) {
    const last = Math.floor(t / SECOND) - 1;
    return Array.from({ length: count }, (_, index) => this.#seconds.get(last - count + 1 + index) ?? null);
  }

  #reached(end, t) {
    if (!Number.isFinite(end)) return;
    // A smaller end is that of another log, or news that is overtaken; the first is no append.
    if (this.#end !== null && end > this.#end) this.#at(t).appends += end - this.#end;
    if (this.#end === null || end > this.#end || this.#end - end > MOST_OVERTAKEN) this.#end = end;
  }

  #at(t) {
    const key = Math.floor(t / SECOND);
    let second = this.#seconds.get(key);
    if (second === undefined) {
      second = { appends: 0, events: 0, waiting: null };
      this.#seconds.set(key, second);
    }
    return second;
  }
}

// Returns the smallest of 1, 2, 5, 10, 20, 50 … that is at least `value`.
export function ceiling(value) {
  let step = 1;
  while (step * 10 <= value) step *= 10;
  return [1, 2, 5, 10].map((factor) => factor * step).find((limit) => limit >= value) ?? step * 10;
}
