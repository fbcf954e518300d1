// The model of the cluster: what the page was told, put together. It reads no clock: time comes
// with the items. It keeps the last minute, of a recording everything.
//
// An item is `{at, event, data}`: when it came, in microseconds; the name of the server-sent event,
// "event" for one without a name; its data.

import { Appends } from "./appends.js";
import { Bands } from "./bands.js";
import { Clocks } from "./clock.js";
import { Exchanges, FRAME_KINDS } from "./exchanges.js";
import { isWellFormed } from "./items.js";
import { Node } from "./nodes.js";
import { Rates } from "./rate-counts.js";
import { Things } from "./things.js";
import { countUpTo, SECOND } from "./timed.js";
import { View } from "./view.js";

// The length of time that is kept, in microseconds.
export const KEPT = 60 * SECOND;

// Time between two removals of what is old, in microseconds.
const PRUNE_EVERY = SECOND;

// Most changes of one value of a node, and steps of a scenario that are kept. Smaller: one looks back
// less far. Larger: more memory. Of a recording all are kept.
const MOST_CHANGES = 4096;
const MOST_STEPS = 100;

// Most items that are kept while a page is frozen. Smaller: one cannot look at a frozen minute for
// long while much happens. Larger: more memory.
const MOST_FROZEN_ITEMS = 400_000;

// Most nodes that are shown. Smaller: large clusters are shown in part. Larger: a file with many names
// makes a page that nobody can use.
const MOST_NODES = 64;

// A node that follows one of so many messages, or of more, is busy, and for so long after it said so,
// in microseconds; it says so each second.
const BUSY_EVERY = 64;
const BUSY_FOR = 2.5 * SECOND;

// Number of colors of nodes.
const COLORS = 10;

// Under load answers are left out. A client that was accepted at least this long, in microseconds,
// before a state in which nobody waits, counts as answered. Smaller: one that was accepted just now is
// ended too early.
const SETTLED = SECOND;

// A state that is so much earlier than the one before, by the same clock, tells that the clock was set
// back, in microseconds. Smaller: states of a busy node that change places count as that. Larger:
// after a clock was set back by less, nothing is news for that long.
const SET_BACK = SECOND;

// Kinds of events about messages that are points on a node's lane.
const POINT_KINDS = new Set(["stored", "held", "gap-closed", "duplicate", "store-delayed"]);

// Kinds of events about the clients of the master.
const CLIENT_KINDS = new Set(["accepted", "waits", "acked", "durable", "answered", "canceled"]);

// Kinds of events that are a stroke on a node's lane.
const STROKE_KINDS = new Set([
  "refused",
  "joined",
  "ready",
  "left",
  "left-early",
  "lost",
  "advice",
  "health",
  "quorum",
  "mode",
  "disk",
  "behind",
  "aborted",
  "repair",
  "members",
  "faults",
  "disconnected",
  "epoch",
  "started",
  "stopping",
  "cut",
  "trimmed",
]);

export class Model {
  // In the order in which they became known.
  #nodes = new Map();
  #appends;
  #exchanges;
  #bands;
  #steps = [];
  #items = [];
  #kept;
  #pruned = -Infinity;
  // Whether nothing is forgotten for the time being.
  #keepsAll = false;
  #sampled = new Map();
  // When a node last said that it is busy.
  #busyAt = -Infinity;
  #missed = 0;
  // Messages that the lists of nodes left out that are removed.
  #skipped = 0;
  // The color that the next node gets.
  #nextColor = 1;

  // With `virtual`, times are those of a simulation. `kept`: the length of time that is kept.
  constructor({ virtual = false, kept = KEPT } = {}) {
    this.#kept = kept;
    this.clocks = new Clocks(virtual);
    this.things = new Things((thing) => this.#forget(thing));
    this.rates = new Rates(kept);
    this.#appends = new Appends(this.things);
    this.#bands = new Bands(this.things);
    const isMaster = (name) => this.#nodes.get(name)?.role === "master";
    this.#exchanges = new Exchanges({ things: this.things, clocks: this.clocks, isMaster });
  }

  // Takes an item. Returns the event, with its place `t` on the axis, if it is news.
  take(item) {
    const { at, event, data } = item;
    if (!isWellFormed(item)) return null;
    if (data.node !== undefined && !this.#nodes.has(data.node) && this.#nodes.size >= MOST_NODES) return null;
    if (at - this.#pruned > PRUNE_EVERY) this.#prune(at);
    this.#items.push(item);
    if (event === "event") return this.#event(data, at);
    if (event === "state") this.#state(data, at);
    if (event === "messages") this.#node(data.node).takeMessages(data, this.now(at));
    if (event === "sampled") this.#leftOut(data, at);
    if (event === "missed") this.#missed += data.count;
    if (event === "step") push(this.#steps, { ...data, t: this.now(at) }, this.#most(MOST_STEPS));
    if (event === "connection") this.#connection(data.open, this.now(at));
    return null;
  }

  // Returns the time on the axis at an arrival time.
  now(at) {
    return this.clocks.now(at);
  }

  // Whether nothing is forgotten from now on, if there is room for what comes.
  keepAll(keepsAll) {
    this.#keepsAll = keepsAll;
  }

  // Returns the items that are kept, in the order in which they came.
  items() {
    return this.#items;
  }

  // Returns what was so at `t`, or with `latest` all that is known by then.
  view(t, latest = false) {
    return new View(this, t, latest ? Infinity : t);
  }

  // Returns the nodes, the master first, the others by name.
  nodes() {
    const rank = (node) => (node.role === "master" ? 0 : 1);
    const nodes = [...this.#nodes.values()];
    return nodes.sort((a, b) => rank(a) - rank(b) || compare(a.name, b.name));
  }

  // Returns the number of the color of each node: the master has the first one, the others the next
  // ones by name, those that come later what follows. A color stays once the master is known.
  colors() {
    return new Map([...this.#colorNumbers()].map(([{ name }, number]) => [name, number % COLORS]));
  }

  appendsAt(t, names) {
    return this.#appends.at(t, names);
  }

  stepsAt(t) {
    return this.#steps.slice(
      0,
      countUpTo(this.#steps, t, (step) => step.t),
    );
  }

  // Returns what the page was not told, in all.
  get leftOut() {
    let [events, every, messages] = [0, 1, this.#skipped];
    for (const counts of this.#sampled.values()) {
      events += counts.events;
      every = Math.max(every, counts.every);
    }
    for (const node of this.#nodes.values()) messages += node.skipped;
    return { events, messages, every, missed: this.#missed };
  }

  // Returns whether a node is so busy at this arrival time that it leaves out most events.
  isBusy(at) {
    return at - this.#busyAt < BUSY_FOR;
  }

  #event(event, at) {
    const node = this.#node(event.node);
    if (!node.takeId(event)) return null;
    if (event.kind === "started" && event.role === "master") this.#started(node);
    // Others, and a master before its first state, tell nothing of their clocks: changes of state come again
    // long after they were.
    const isNews = node.role === "master" && Boolean(node.states.last);
    if (isNews) this.clocks.arrived(event.node, event.time, at);
    // Before the event is placed: its exchange may show that the clock is another than thought.
    const { kind } = event;
    const horizon = this.now(at) - this.#kept;
    let t = this.clocks.place(event.node, event.time);
    // What began long ago may still hold.
    this.#bands.takeEvent(event, t);
    if (t < horizon) return null;
    if (FRAME_KINDS.has(kind) && event.peer !== undefined && event.request !== undefined) {
      this.#exchanges.take(event, t);
      t = this.clocks.place(event.node, event.time);
    }
    if (kind === "joined" && event.peer) this.#exchanges.connected(event, t);
    if (CLIENT_KINDS.has(kind)) this.#appends.take(event, t);
    if (kind === "started" && event.role === "master") {
      this.#appends.abandon(t);
      // Its log may be another: that is acked anew by whoever joins.
      for (const { acks } of this.#nodes.values()) acks.set(t, 0);
    }
    node.takeEvent(event, t);
    if (kind === "acked") {
      this.#exchanges.acked(event, t);
      this.#nodes.get(event.peer)?.acks.set(t, event.ids[1]);
    }
    if (kind === "held" || kind === "gap-closed" || kind === "stored") this.#gap(node, t);
    if (POINT_KINDS.has(kind) && kind !== "store-delayed") this.#exchanges.done(event, t);
    if (POINT_KINDS.has(kind) || STROKE_KINDS.has(kind)) {
      const { peer, ids } = event;
      this.things.add({ type: "point", t, last: t, open: false, kind, node: event.node, peer, ids, event });
    }
    this.rates.event(event, t);
    return { ...event, t };
  }

  #state(state, at) {
    const node = this.#node(state.node);
    // Its time is that of the node that tells it, which is the reference where it is not its own.
    const teller = state.reachable ? state.node : (this.#masterName() ?? state.node);
    const isMaster = state.health?.role === "master";
    if (isMaster || !this.clocks.hasReference) this.clocks.refer(state.node);
    if (this.clocks.isReference(state.node) && state.time < node.states.last?.time - SET_BACK) {
      this.#setBack(state.time);
    }
    if (state.reachable) this.clocks.arrived(state.node, state.time, at);
    const t = this.clocks.place(teller, state.time);
    node.takeState(state, t);
    this.#bands.takeState(state, t);
    this.#gap(node, t);
    if (isMaster) this.#masterState(state.health, t);
    this.#fixColors();
  }

  // Takes what the master knows at `t`.
  #masterState(health, t) {
    for (const { name } of health.secondaries) if (this.#nodes.size < MOST_NODES) this.#node(name);
    this.#findGone(health, t);
    this.#appends.takeState(health, t, t - SETTLED);
    this.rates.state(health, t);
  }

  // Goes on at `t`, before what was heard last: the clock that is the axis was set back.
  #setBack(t) {
    this.clocks.setBack();
    this.things.setBack(t);
    this.#bands.setBack(t);
    this.#exchanges.setBack(t);
    this.rates.setBack(t);
    for (const node of this.#nodes.values()) node.setBack(t);
  }

  // Notes which nodes are gone at `t`: the master neither has nor refuses them, and nobody reaches
  // them, as after `acklog forget`.
  #findGone({ secondaries, refused }, t) {
    const known = new Set([...secondaries, ...(refused ?? [])].map(({ name }) => name));
    for (const node of this.#nodes.values()) {
      const isGone = node.role !== "master" && !known.has(node.name) && !node.isHeard(t);
      if (isGone !== node.gone.last) node.gone.set(t, isGone);
      if (isGone) this.#bands.close(node.name, t);
    }
  }

  // Returns the number of each node's color, also of those that have none for good.
  #colorNumbers() {
    const numbers = new Map();
    let next = this.#nextColor;
    for (const node of this.nodes()) {
      const isNew = node.color === null && node.role !== "master";
      numbers.set(node, isNew ? next : (node.color ?? 0));
      if (isNew) next += 1;
    }
    return numbers;
  }

  // Lets each node keep its color, once the master is known.
  #fixColors() {
    if (this.#masterName() === null) return;
    for (const [node, number] of this.#colorNumbers()) {
      node.color = number;
      this.#nextColor = Math.max(this.#nextColor, number + 1);
    }
  }

  #gap(node, t) {
    const spans = node.held.last;
    const missing = Math.max(node.ends.last ?? 0, node.states.last?.health?.logEnd ?? 0);
    const text = spans.length > 0 ? `gap: ${missing} is missing` : null;
    this.#bands.set(node.name, "gap", text, t);
  }

  #connection(open, t) {
    for (const { name, gone } of this.#nodes.values()) {
      if (gone.last) continue;
      this.#bands.set(name, "untold", open ? null : "no connection: this page was told nothing", t);
    }
  }

  #started(node) {
    if (this.#masterName() === null) this.clocks.refer(node.name);
    node.role = "master";
    this.#fixColors();
  }

  #leftOut({ node, leftOut, every }, at) {
    const name = node ?? "";
    const counts = this.#sampled.get(name) ?? { events: 0, every: 1 };
    counts.events += leftOut ?? 0;
    counts.every = every ?? 1;
    this.#sampled.set(name, counts);
    if (counts.every >= BUSY_EVERY) this.#busyAt = at;
    this.rates.leftOut(leftOut ?? 0, this.now(at));
  }

  // Returns how many of something are kept: all where everything is.
  #most(count) {
    return this.#kept === Infinity ? Infinity : count;
  }

  #masterName() {
    for (const node of this.#nodes.values()) if (node.role === "master") return node.name;
    return null;
  }

  #node(name) {
    let node = this.#nodes.get(name);
    if (node === undefined) {
      node = new Node(name);
      this.#nodes.set(name, node);
    }
    return node;
  }

  #prune(at) {
    this.#pruned = at;
    if (this.#keepsAll && this.#items.length < MOST_FROZEN_ITEMS) return;
    const before = this.now(at) - this.#kept;
    this.things.prune(before);
    for (const node of this.#nodes.values()) {
      node.prune(before, this.#most(MOST_CHANGES));
      if (node.gone.last && node.gone.lastTime < before) this.#remove(node);
    }
    this.rates.prune(before);
    const old = countUpTo(this.#items, at - this.#kept, (item) => item.at);
    if (old > 0) this.#items.splice(0, old);
  }

  // Removes a node that has been gone for as long as anything is kept.
  #remove({ name, skipped }) {
    this.#nodes.delete(name);
    this.#bands.forget(name);
    this.clocks.forget(name);
    this.#skipped += skipped;
  }

  #forget(thing) {
    thing.open = false;
    if (thing.type === "exchange") this.#exchanges.forget(thing);
    if (thing.type === "append") this.#appends.forget(thing);
  }
}

function compare(a, b) {
  return a < b ? -1 : Number(a > b);
}

function push(list, value, most) {
  list.push(value);
  if (list.length > most) list.shift();
}
