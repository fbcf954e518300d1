// Counts messages that have no marks of their own, and draws the counts as columns below the lanes.

import { box } from "./shapes.js";

// Width of a column, in rem.
const COLUMN = 0.4;

// Time between two drawings, in microseconds.
const EVERY = 250_000;

export class Density {
  // Lane to column to the number of messages; the lane of the clients is "".
  #columns = new Map();
  #counted = new WeakSet();
  #changed = new Set();
  #drawnAt = -Infinity;

  knows(thing) {
    return this.#counted.has(thing);
  }

  // Counts a thing that is not drawn, once.
  count(thing, lanes) {
    if (this.#counted.has(thing) || !thing.ids || thing.type === "point") return;
    this.#counted.add(thing);
    const lane = thing.type === "append" ? "" : thing.responder;
    if (lane !== "" && lanes.top(lane) === null) return;
    const column = Math.floor(lanes.x(thing.t) / (COLUMN * lanes.rem));
    let columns = this.#columns.get(lane);
    if (!columns) this.#columns.set(lane, (columns = new Map()));
    columns.set(column, (columns.get(column) ?? 0) + thing.ids[1] - thing.ids[0]);
    this.#changed.add(lane);
  }

  // Forgets what was before a time.
  forget(lanes, before) {
    const first = Math.floor(lanes.x(before) / (COLUMN * lanes.rem));
    for (const [lane, columns] of this.#columns) {
      for (const column of columns.keys()) if (column < first) columns.delete(column);
      this.#changed.add(lane);
    }
  }

  // Draws the lanes that changed, at most four times a second.
  draw(stage, lanes, t) {
    if (this.#changed.size === 0 || Math.abs(t - this.#drawnAt) < EVERY) return;
    this.#drawnAt = t;
    const width = COLUMN * lanes.rem;
    for (const lane of this.#changed) {
      const bottom =
        lane === "" ? lanes.sendersTop + lanes.sendersHeight : lanes.top(lane) + lanes.pitch * 0.93;
      let d = "";
      let sum = 0;
      for (const [column, count] of this.#columns.get(lane)) {
        const height = Math.min(lanes.rem, Math.log2(1 + count) * lanes.rem * 0.14);
        d += box(column * width, bottom, width * 0.7, -height);
        sum += count;
      }
      stage.showDensity(lane, d, sum);
    }
    this.#changed.clear();
  }
}
