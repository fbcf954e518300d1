// Where things stand on the timeline: lanes from top to bottom, time from left to right.

// Rows of bars in the lane of clients, and in a low window. More: the timeline is taller. Fewer:
// fewer clients that wait at the same time are drawn.
const ROWS = 4;
const LOW_ROWS = 3;

// Windows lower than this are low, in rem.
const LOW = 56;

// Words on a line that are remembered. Fewer: some lie on others.
const MOST_WORDS = 16;

// Returns the heights of lanes by the number of nodes, in rem.
function laneHeight(nodes, isLow) {
  if (nodes <= 3) return isLow ? 3.7 : 4.6;
  return nodes <= 5 ? 3.7 : 3;
}

export class Lanes {
  // `width`, `rem` and `tall`, the height of the window, in pixels; `nodes` from top to bottom;
  // `span` in µs. `textWidth(text, isBold)` is how wide words are, in rem.
  constructor({ width, rem, tall, nodes, span, textWidth }) {
    const isLow = tall < LOW * rem;
    const names = nodes.map(({ name }) => name);
    this.look = nodes
      .map(({ name, letter, color, isElsewhere }) => `${name} ${letter} ${color} ${isElsewhere}`)
      .join("\n");
    this.rem = rem;
    this.textWidth = textWidth;
    this.width = width;
    this.names = names;
    this.span = span;
    this.left = 7.5 * rem;
    this.right = width - 0.75 * rem;
    this.rows = isLow ? LOW_ROWS : ROWS;
    this.rowHeight = 1.7 * rem;
    this.sendersTop = 0.4 * rem;
    this.sendersHeight = this.rows * this.rowHeight + 0.3 * rem;
    this.pitch = laneHeight(names.length, isLow) * rem;
    this.nodesTop = this.sendersTop + this.sendersHeight + 0.5 * rem;
    this.axis = this.nodesTop + Math.max(1, names.length) * this.pitch;
    this.height = this.axis + 1.6 * rem;
    this.r = 0.34 * rem;
    this.pxPerMicro = (this.right - this.left) / span;
    // The time at the left end; marks are placed relative to it.
    this.origin = 0;
  }

  // Returns the place of a time on the axis, in pixels.
  x(t) {
    return this.left + (t - this.origin) * this.pxPerMicro;
  }

  // Returns the time at a place.
  t(x) {
    return this.origin + (x - this.left) / this.pxPerMicro;
  }

  // Returns how wide words are, in pixels.
  widthOf(text, isBold = false) {
    return this.textWidth(text, isBold) * this.rem;
  }

  // Returns the top of a node's part; of one that has none: null.
  top(name) {
    const index = this.names.indexOf(name);
    return index < 0 ? null : this.nodesTop + index * this.pitch;
  }

  // Returns the height at which a node's line is; of one that has none: null.
  y(name) {
    const top = this.top(name);
    return top === null ? null : top + this.pitch * 0.56;
  }

  // Whether two layouts place the same things in the same way.
  isLike(other) {
    return (
      other !== null &&
      this.width === other.width &&
      this.rem === other.rem &&
      this.span === other.span &&
      this.rows === other.rows &&
      this.look === other.look
    );
  }
}

// Returns where the window begins that shows `t`: in its third quarter, so that what was before is
// seen, and what begins there has room for its words. Windows begin at whole quarters.
export function windowStart(t, span) {
  const quarter = span / 4;
  return (Math.floor(t / quarter) - 2) * quarter;
}

// Returns where the window begins while time goes on: it stands until it is full, then turns over
// by half.
export function nextStart(start, t, span) {
  if (start === null) return Math.floor(t / (span / 2)) * (span / 2);
  if (t < start) return windowStart(t, span);
  if (t < start + span) return start;
  return t < start + span * 1.5 ? start + span / 2 : windowStart(t, span);
}

// Returns the step after `t`, where `direction` is 1, or before it, where that is -1; null: there is
// none. A step is the last one of times within `near`, so that all that it tells of has happened by then.
export function stepTime(times, t, direction, near) {
  const next = times.reduce((least, time) => (time > t ? Math.min(least, time) : least), Infinity);
  const isIn = (time) => (direction > 0 ? time > t && time <= next + near : time < t - near);
  const last = times.reduce((latest, time) => (isIn(time) ? Math.max(latest, time) : latest), -Infinity);
  return last === -Infinity ? null : last;
}

// The room for words beside each other on a line.
export class Room {
  // Line to what stands there, as `{key, from, to}`.
  #taken = new Map();
  // Key to its line, and whether it has room there.
  #given = new Map();

  // Whether words from `from` to `to` have room on a line; those of a key keep theirs.
  has(key, line, from, to) {
    if (this.#given.has(key)) return this.#given.get(key).isFree;
    const taken = this.#taken.get(line) ?? [];
    const isFree = taken.every((other) => to < other.from || from > other.to);
    if (isFree) this.#taken.set(line, [...taken.slice(-MOST_WORDS), { key, from, to }]);
    this.#given.set(key, { line, isFree });
    return isFree;
  }

  // Leaves the room of a key to others, and to itself at another place.
  forget(key) {
    const given = this.#given.get(key);
    this.#given.delete(key);
    if (!given?.isFree) return;
    const others = this.#taken.get(given.line).filter((other) => other.key !== key);
    this.#taken.set(given.line, others);
  }
}

// Most pixels of a bar that may lie on the one before it, and at most a quarter of it. More: bars are
// covered. Fewer: of clients that come at the same time, one that waits long has no bar.
const MOST_COVERED = 12;

// Rows of bars with words above them: each bar gets the first row that is free at its place, and
// keeps it. If words of other bars cover its place on every row, the bar has no words until half of
// them would fit behind those.
export class Rows {
  // Where the last bar of each row ends, where the last words do, and whose they are.
  #bars;
  #words;
  #last;
  #places = new Map();

  constructor(count) {
    this.#bars = new Array(count).fill(-Infinity);
    this.#words = new Array(count).fill(-Infinity);
    this.#last = new Array(count).fill(null);
  }

  // Returns the row of a bar that begins at `x` and ends at `end`, and where its words, so wide, begin:
  // `{row, words}`, the latter null where they have no room; null: no row is free.
  place(key, x, end, width) {
    let place = this.#places.get(key);
    if (place === undefined) {
      // A long bar may begin where a short one ends a moment later.
      const isFree = (row) => this.#bars[row] <= x + Math.min((end - x) / 4, MOST_COVERED);
      const rows = [...this.#bars.keys()].filter(isFree);
      const row = rows.find((one) => this.#words[one] < x) ?? rows[0];
      if (row === undefined) return null;
      place = { row, words: this.#words[row] < x ? x : null };
      this.#places.set(key, place);
    }
    const { row } = place;
    if (place.words === null && this.#words[row] + width / 2 <= end) place.words = this.#words[row];
    this.#bars[row] = Math.max(this.#bars[row], end);
    if (place.words !== null) this.#wordsOf(row, key, place.words + width);
    return place;
  }

  // Notes that the words of a bar end at `end`: less far than before, where they became shorter.
  #wordsOf(row, key, end) {
    const isOvertaken = this.#words[row] > end && this.#last[row] !== key;
    if (isOvertaken) return;
    this.#words[row] = end;
    this.#last[row] = key;
  }

  forget(key) {
    this.#places.delete(key);
  }
}
