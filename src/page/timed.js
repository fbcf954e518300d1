// A value that changes in time, and is remembered for a while.

// A second in microseconds, in which all times are.
export const SECOND = 1_000_000;

export class Timed {
  #times = [];
  #values = [];
  #none;

  // `none`: the value at times of which nothing is known, as before the earliest change that is kept.
  constructor(none) {
    this.#none = none;
  }

  // Notes a value from `t` on. A change from before the last one counts from the last one on.
  set(t, value) {
    const last = this.#times.length - 1;
    const from = last >= 0 ? Math.max(t, this.#times[last]) : t;
    if (last >= 0 && this.#times[last] === from) {
      this.#values[last] = value;
      return;
    }
    this.#times.push(from);
    this.#values.push(value);
  }

  // Returns the latest value; `none`: there was none.
  get last() {
    return this.#values.length > 0 ? this.#values.at(-1) : this.#none;
  }

  // Returns the time of the latest value.
  get lastTime() {
    return this.#times.at(-1) ?? -Infinity;
  }

  // Returns the value at a time; before the earliest one that is kept: `none`.
  at(t) {
    const count = countUpTo(this.#times, t);
    return count > 0 ? this.#values[count - 1] : this.#none;
  }

  // Returns the value that follows the one at a time; `none`: there is none.
  after(t) {
    return this.#values[countUpTo(this.#times, t)] ?? this.#none;
  }

  // Lets the latest value count from `t` on, where its time is later: the clock was set back.
  setBack(t) {
    if (this.lastTime <= t) return;
    const value = this.last;
    const count = countUpTo(this.#times, t);
    this.#times.splice(count);
    this.#values.splice(count);
    this.set(t, value);
  }

  // Forgets what is older than a time, apart from the value then, and all above `most` changes.
  prune(before, most) {
    const old = Math.max(countUpTo(this.#times, before) - 1, this.#times.length - most);
    // In large steps: removing from the front of an array costs its length.
    if (old < 64 && old < this.#times.length / 2) return;
    this.#times.splice(0, old);
    this.#values.splice(0, old);
  }
}

// Returns how many of sorted numbers are at most `limit`; `of` takes the number out of an item.
export function countUpTo(items, limit, of = (item) => item) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(items[middle]) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
