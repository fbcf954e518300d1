// Clients that append, from what the master tells: what they wait for, and how it ended.

import { countUpTo } from "./timed.js";

// Most appends in a view.
const MOST_SHOWN = 200;

// Ids that are so much smaller than the latest ones are of another log. Smaller: appends told in
// another order end those before. Larger: those of a log that begins anew are mixed with the old.
const MOST_APART = 1000;

const endOf = (append) => append.end;

export class Appends {
  // In the order of their ids.
  #list = [];
  #byFirst = new Map();
  #things;

  constructor(things) {
    this.#things = things;
  }

  // Takes an event about messages on the master, placed at `t`.
  take(event, t) {
    const { kind, ids } = event;
    if (kind === "accepted") return void this.#accepted(event, t);
    if (kind === "acked") return this.#acked(event.peer, ids, t);
    if (kind === "durable") return this.#durable(event.node, ids, t);
    const append = this.#byFirst.get(ids[0]);
    if (append && append.end === ids[1]) this.#ofClient(append, event, t);
    else if (kind === "waits") this.#ofClient(this.#accepted(event, t), event, t);
  }

  // Takes what the master's state says at `t`: acks and ends whose events were left out.
  takeState({ secondaries, waitingSenders }, t, settledBefore) {
    for (const append of this.#list) {
      if (append.state !== "waiting" || append.acceptedAt > settledBefore) continue;
      for (const { name, ackedEnd } of secondaries) {
        if (ackedEnd !== null && ackedEnd >= append.end) this.#ack(append, name, t);
      }
      if (waitingSenders === 0) this.#end(append, append.waits ? "unknown" : "acked", t);
    }
  }

  // Ends all that wait: the master is another process now.
  abandon(t) {
    for (const append of this.#list) if (append.state === "waiting") this.#end(append, "unknown", t);
    this.#list = [];
    this.#byFirst.clear();
  }

  forget(append) {
    if (this.#byFirst.get(append.first) === append) this.#byFirst.delete(append.first);
    // Forgotten in order, apart from those that wait for long.
    const at = countUpTo(this.#list, append.end, endOf) - 1;
    if (this.#list[at] === append) this.#list.splice(at, 1);
  }

  // Returns the appends as they were at `t`: at most 200, those that waited and the latest ones.
  at(t, names) {
    const shown = [];
    let settled = 0;
    for (let index = this.#list.length - 1; index >= 0 && shown.length < MOST_SHOWN; index -= 1) {
      const append = this.#list[index];
      if (append.acceptedAt > t) continue;
      const waits = append.endedAt === null || append.endedAt > t;
      if (!waits) settled += 1;
      if (waits || settled <= MOST_SHOWN / 2) shown.push(shownAt(append, t, names, waits));
    }
    return shown.reverse();
  }

  // Returns the number of appends that are kept.
  get count() {
    return this.#list.length;
  }

  #accepted({ node, ids }, t) {
    const [first, end] = ids;
    const last = this.#list.at(-1);
    // Ids that come again are of another log.
    if (this.#byFirst.has(first) || (last && last.end - first > MOST_APART)) this.abandon(t);
    const append = this.#things.add({
      type: "append",
      node,
      t,
      last: t,
      open: true,
      first,
      end,
      ids,
      w: null,
      timeoutMs: null,
      acceptedAt: t,
      durableAt: null,
      acks: [],
      endedAt: null,
      state: "waiting",
      // Whether the client waits for others: one that does not is answered at once.
      waits: false,
    });
    this.#list.splice(countUpTo(this.#list, end, endOf), 0, append);
    this.#byFirst.set(first, append);
    return append;
  }

  #ofClient(append, event, t) {
    if (event.writeConcern) append.w = event.writeConcern;
    if (event.kind === "waits") {
      append.waits = true;
      append.timeoutMs = event.timeoutMs ?? null;
      this.#things.touch(append, t);
    }
    if (event.kind === "answered") this.#end(append, event.answer, t);
    if (event.kind === "canceled") this.#end(append, "canceled", t);
  }

  #acked(peer, [first, end], t) {
    this.#each(first, end, (append) => this.#ack(append, peer, t));
  }

  #durable(node, [first, end], t) {
    this.#each(first, end, (append) => {
      append.durableAt ??= t;
      this.#ack(append, node, t);
    });
  }

  #each(first, end, apply) {
    for (let at = countUpTo(this.#list, first, endOf); at < this.#list.length; at += 1) {
      if (this.#list[at].end > end) return;
      apply(this.#list[at]);
    }
  }

  #ack(append, node, t) {
    if (append.acks.some((ack) => ack.node === node)) return;
    append.acks.push({ node, t });
    this.#things.touch(append, append.endedAt === null ? t : append.last);
  }

  #end(append, state, t) {
    if (append.endedAt !== null) return;
    append.endedAt = t;
    append.state = state;
    append.open = false;
    this.#things.touch(append, t);
  }
}

function shownAt(append, t, names, waits) {
  const { first, end, w, timeoutMs, acceptedAt, durableAt } = append;
  const acks = append.acks.filter((ack) => ack.t <= t);
  return {
    first,
    end,
    count: end - first,
    w,
    timeoutMs,
    acceptedAt,
    durableAt: durableAt !== null && durableAt <= t ? durableAt : null,
    acks,
    state: waits ? "waiting" : append.state,
    endedAt: waits ? null : append.endedAt,
    lacking: names.filter((name) => !acks.some((ack) => ack.node === name)),
  };
}
