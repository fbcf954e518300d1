// Clients that append, from what the master tells: what they wait for, and how it ended.

import { countUpTo } from "./timed.js";

// Most appends in a view.
const MOST_SHOWN = 200;

const endOf = (append) => append.end;
const firstOf = (append) => append.first;

export class Appends {
  // In the order of their ends. Of the same messages there may be several: of whoever appended them,
  // and of those that asked for them later.
  #list = [];
  // Those whose messages were accepted then, in order: no two of them have messages in common.
  #accepted = [];
  // First id and end, with the latest one of these messages.
  #byIds = new Map();
  // Node to the end of what it has acked.
  #ackedEnds = new Map();
  #things;

  constructor(things) {
    this.#things = things;
  }

  // Takes an event about messages on the master, placed at `t`.
  take(event, t) {
    const { kind, ids } = event;
    if (kind === "accepted") return this.#accept(event, t);
    if (kind === "acked") return this.#acked(event.peer, ids, t);
    if (kind === "durable") return this.#durable(event.node, ids, t);
    if (kind === "waits") return this.#waits(event, t);
    return this.#over(event, t);
  }

  // Takes what the master's state says at `t`: acks and ends whose events were left out.
  takeState({ name: master, secondaries, waitingSenders }, t, settledBefore) {
    // Some may be gone, or have come back with less.
    const own = this.#ackedEnds.get(master);
    this.#ackedEnds = new Map(secondaries.map(({ name, ackedEnd }) => [name, ackedEnd ?? 0]));
    if (own !== undefined) this.#ackedEnds.set(master, own);
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
    this.#accepted = [];
    this.#byIds.clear();
    this.#ackedEnds.clear();
  }

  forget(append) {
    const key = append.ids.join();
    if (this.#byIds.get(key) === append) this.#byIds.delete(key);
    remove(this.#list, append, endOf);
    remove(this.#accepted, append, firstOf);
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

  #accept(event, t) {
    const [first] = event.ids;
    // Ids that come again are of another log.
    if (this.#list.at(-1)?.end > first) this.abandon(t);
    this.#accepted.push(this.#add(event, t));
  }

  #add({ node, ids }, t) {
    const [first, end] = ids;
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
      // Whether a client waits for others: one that does not is answered at once.
      waits: false,
      // What clients that still wait for these messages wait for: `{w, timeoutMs}`.
      concerns: [],
    });
    this.#list.splice(countUpTo(this.#list, end, endOf), 0, append);
    this.#byIds.set(ids.join(), append);
    return append;
  }

  // Notes that a client waits: the one that appended, or one that asks for messages from before.
  #waits(event, t) {
    let append = this.#byIds.get(event.ids.join());
    if (append === undefined || append.endedAt !== null) {
      append = this.#add(event, t);
      for (const [node, end] of this.#ackedEnds) if (end >= append.end) this.#ack(append, node, t);
    }
    append.waits = true;
    append.concerns.push({ w: event.writeConcern ?? null, timeoutMs: event.timeoutMs ?? null });
    this.#showFirst(append);
    this.#things.touch(append, t);
  }

  // Notes that a client waits no more: it is answered, with its write concern, or went away.
  #over({ kind, ids, writeConcern, answer }, t) {
    const state = kind === "answered" ? answer : "canceled";
    const append = this.#byIds.get(ids.join());
    if (append) this.#leave(append, writeConcern, state, t);
    // Messages that were accepted at once may have a client each.
    const whole = this.#accepted[countUpTo(this.#accepted, ids[0], firstOf) - 1];
    if (whole && whole !== append && whole.end >= ids[1] && !whole.waits) this.#end(whole, state, t);
  }

  #leave(append, writeConcern, state, t) {
    if (append.endedAt !== null) return;
    const { concerns } = append;
    if (append.waits) {
      const index = concerns.findIndex(({ w }) => !writeConcern || w === null || w === writeConcern);
      // One that is answered at once did not wait.
      if (index < 0) return;
      if (concerns.length > 1) {
        concerns.splice(index, 1);
        this.#showFirst(append);
        this.#things.touch(append, t);
        return;
      }
    } else if (writeConcern) {
      append.w = writeConcern;
    }
    this.#end(append, state, t);
  }

  // Shows what the client waits for that has waited longest.
  #showFirst(append) {
    Object.assign(append, append.concerns[0]);
  }

  #acked(peer, [first, end], t) {
    this.#noteAcked(peer, end);
    this.#each(first, end, (append) => this.#ack(append, peer, t));
  }

  #durable(node, [first, end], t) {
    this.#noteAcked(node, end);
    this.#each(first, end, (append) => {
      append.durableAt ??= t;
      this.#ack(append, node, t);
    });
  }

  #noteAcked(node, end) {
    this.#ackedEnds.set(node, Math.max(end, this.#ackedEnds.get(node) ?? 0));
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

// Removes an append from a list that is sorted by `of`.
function remove(list, append, of) {
  for (let at = countUpTo(list, of(append), of) - 1; at >= 0 && of(list[at]) === of(append); at -= 1) {
    if (list[at] === append) return void list.splice(at, 1);
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
