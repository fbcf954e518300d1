// A node as the page knows it: its state, its list of messages, and what it holds above a gap.

import { SECOND, Timed } from "./timed.js";

// Most texts of a node that are kept. Smaller: its list shows less. Larger: more memory.
const MOST_TEXTS = 2000;

// Most spans of held messages that are kept of a node. Smaller: some are not greyed. Larger: each
// further one costs more.
const MOST_HELD = 64;

// A state's smaller logEnd shortens a list only if messages or events told nothing of its end for this
// long, in microseconds: a state may be older than what came before it.
const OVERTAKEN = SECOND;

// A node whose last word is so old, in microseconds, tells how it is no more: it does so each second.
// Smaller: one that is only slow counts as gone. Larger: one that is gone is shown for longer.
const SILENT = 5 * SECOND;

export class Node {
  // "master" or "secondary"; null: not known.
  role = null;
  // The id of its latest event: those up to it came before; and of its latest start.
  #lastEvent = 0;
  #lastStart = null;
  // Its `NodeState`, in time.
  states = new Timed();
  // What its list shows, in time: `{from, end, texts}`.
  lists = new Timed({ from: 0, end: 0, texts: new Map() });
  // Spans of messages held above a gap, in time: sorted, apart from each other.
  held = new Timed([]);
  // The end of what it has durably, as its events tell, in time.
  ends = new Timed();
  // The end of what the master knows that it has, as events tell, in time.
  acks = new Timed();
  // Whether its master knows nothing of it any more, in time.
  gone = new Timed(false);
  // Whether it told of its list, and how many messages that left out since, in all.
  isListed = false;
  skipped = 0;

  // The number of its color; null: not given yet.
  color = null;

  constructor(name) {
    this.name = name;
  }

  // Takes the id of an event. Returns whether it is news. Ids begin anew with each start, at the wall
  // clock of that moment, which may have been set back.
  takeId({ id, kind }) {
    const isStart = kind === "started";
    const begins = isStart && id !== this.#lastStart;
    if (!begins && id <= this.#lastEvent) return false;
    this.#lastEvent = id;
    if (isStart) this.#lastStart = id;
    return true;
  }

  // Takes its state, as it was at `t`.
  takeState(state, t) {
    this.states.set(t, state);
    const { health } = state;
    if (!health) return;
    this.role = health.role;
    if (health.buffered === 0 && t >= this.held.lastTime && this.held.last.length > 0) this.held.set(t, []);
    const { end, texts } = this.lists.last;
    // A state may be overtaken by messages.
    if (health.logEnd < end && t > this.lists.lastTime + OVERTAKEN) {
      // Another log, or one that was cut.
      const kept = new Map([...texts].filter(([id]) => id < health.logEnd));
      this.lists.set(t, {
        from: Math.min(this.lists.last.from, health.logEnd),
        end: health.logEnd,
        texts: kept,
      });
    }
    if (health.logEnd < (this.ends.last ?? 0) && t > this.ends.lastTime + OVERTAKEN)
      this.ends.set(t, health.logEnd);
  }

  // Takes messages of its list, which came at `t`.
  takeMessages({ from, messages }, t) {
    let { from: first, end, texts } = this.lists.last;
    // What is so where nothing is known stays empty.
    if (!this.isListed) texts = new Map();
    const known = texts.get(from);
    if (known !== undefined && messages.length > 0 && known !== messages[0]) {
      // Another log: what was known is of the one before.
      texts = new Map();
      first = from;
    }
    if (from > end) {
      // What was there before the page listened was not left out.
      if (this.isListed) this.skipped += from - end;
      // Of a list with a hole only what is behind it is shown.
      first = from;
    }
    this.isListed = true;
    messages.forEach((text, index) => texts.set(from + index, text));
    if (from + messages.length < end) {
      // Its log was cut.
      texts = new Map([...texts].filter(([id]) => id < from + messages.length));
      this.ends.set(t, Math.min(this.ends.last ?? 0, from + messages.length));
    }
    end = from + messages.length;
    first = Math.max(Math.min(first, from), end - MOST_TEXTS);
    for (const id of texts.keys()) {
      if (texts.size <= MOST_TEXTS) break;
      texts.delete(id);
    }
    this.lists.set(t, { from: first, end, texts });
  }

  // Takes an event of the node about messages, placed at `t`.
  takeEvent({ kind, ids, end, role }, t) {
    if (kind === "started") {
      this.role = role ?? this.role;
      this.held.set(t, []);
      this.ends.set(t, end ?? 0);
    }
    if (kind === "held") this.held.set(t, withSpan(this.held.last, ids));
    if (kind === "gap-closed")
      this.held.set(
        t,
        this.held.last.filter(([first]) => first < ids[0] || first >= ids[1]),
      );
    if (kind === "stored" || kind === "durable") {
      this.ends.set(t, ids[1]);
      if (this.held.last.some(([first]) => first < ids[1])) {
        this.held.set(
          t,
          this.held.last.filter(([first]) => first >= ids[1]),
        );
      }
    }
    if (kind === "left" && this.held.last.length > 0) this.held.set(t, []);
  }

  // Whether it tells how it is at `t`.
  isHeard(t) {
    return Boolean(this.states.last?.reachable) && t - this.states.lastTime < SILENT;
  }

  // Lets what is so now be so from `t` on, where it began later: the clock was set back.
  setBack(t) {
    for (const values of this.#allTimed()) values.setBack(t);
  }

  // Forgets what is older than a time, and all above `most` changes of a value.
  prune(before, most) {
    for (const values of this.#allTimed()) values.prune(before, most);
  }

  #allTimed() {
    return [this.states, this.lists, this.held, this.ends, this.acks, this.gone];
  }
}

// Returns spans with a further one, joined where they touch.
function withSpan(spans, [first, end]) {
  const joined = [];
  let [low, high] = [first, end];
  for (const span of spans) {
    if (span[1] < low || span[0] > high) joined.push(span);
    else [low, high] = [Math.min(low, span[0]), Math.max(high, span[1])];
  }
  joined.push([low, high]);
  return joined.sort((a, b) => a[0] - b[0]).slice(0, MOST_HELD);
}
