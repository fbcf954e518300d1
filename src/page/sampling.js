// Which messages are drawn where there are too many: one of each 1, 2, 4, 8 and so on, by its id,
// as nodes do with what they tell.

import { SECOND } from "./timed.js";

// Changes of the sampling that are remembered. Fewer: messages under way lose some of their marks.
const MOST_CHANGES = 64;

export class Sampling {
  // Of messages from `first` on, one of `every` is drawn.
  #changes = [{ first: 0, every: 1 }];
  #second = null;
  #count = 0;
  #budget;

  // Draws about `budget` messages in `span` microseconds.
  constructor(budget, span) {
    this.#budget = Math.max(1, (budget * SECOND) / span);
  }

  // Returns of how many messages one is drawn now.
  get every() {
    return this.#changes.at(-1).every;
  }

  // Samples anew for a number of messages a second, from the message `first` on.
  set(rate, first = 0) {
    let every = 1;
    while (rate / every > this.#budget) every *= 2;
    if (first === 0) this.#changes = [{ first, every }];
    else this.#change(first, every);
  }

  // Notes that messages were accepted at `t`.
  see([first, end], t) {
    const second = Math.floor(t / SECOND);
    if (this.#second === null || second > this.#second) {
      // Slowly to finer steps, so that it does not change to and fro.
      const rate = this.#second === second - 1 ? this.#count : 0;
      // Smaller ids than before are of another log.
      if (first < this.#changes.at(-1).first) this.#changes = [{ first: 0, every: this.every }];
      const before = this.every;
      this.set(rate, first);
      if (this.every < before) this.#change(first, before / 2);
      this.#second = second;
      this.#count = 0;
    }
    this.#count += end - first;
    if (this.#count / this.every > 2 * this.#budget) this.#change(end, this.every * 2);
  }

  // Whether messages are drawn: one of them is sampled.
  has(ids) {
    if (!ids) return true;
    const [first, end] = ids;
    let at = this.#changes.length - 1;
    while (at > 0 && this.#changes[at].first > end - 1) at -= 1;
    const { every } = this.#changes[at];
    return Math.floor((end - 1) / every) * every >= first;
  }

  #change(first, every) {
    if (every === this.every) return;
    if (this.#changes.at(-1).first === first) this.#changes.pop();
    this.#changes.push({ first, every });
    if (this.#changes.length > MOST_CHANGES) this.#changes.shift();
  }
}
