// A cluster whose items tests make up: a master and secondaries, with a clock of their own each.

import { Model } from "../../../src/page/model.js";

const START = 1_796_000_000_000_000;

// The faults of a node that has none.
export const NO_FAULTS = {
  sendDelayMs: null,
  storeDelayMs: null,
  errorRate: 0,
  dropRate: 0,
  duplicateRate: 0,
  paused: false,
  seed: null,
};

// The width of words where nothing measures them: all characters are alike, in rem.
export const textWidth = (text, isBold) => text.length * (isBold ? 0.46 : 0.4);

export class MadeUpCluster {
  #ids = new Map();
  items = [];

  // `ahead`: microseconds by which nodes' clocks are ahead of the master's.
  constructor({ ahead = {}, model = new Model() } = {}) {
    this.ahead = ahead;
    this.model = model;
    this.time = START;
  }

  // Lets time go on, in milliseconds.
  pass(ms) {
    this.time += ms * 1000;
    return this;
  }

  // Gives the model an item that came now.
  give(event, data) {
    const item = { at: this.time + 1000, event, data };
    this.items.push(item);
    return this.model.take(item);
  }

  // Lets a node tell an event.
  tell(node, kind, members = {}) {
    const time = this.time + (this.ahead[node] ?? 0);
    const id = (this.#ids.get(node) ?? time) + 1;
    this.#ids.set(node, id);
    return this.give("event", { id, time, node, kind, ...members });
  }

  // Lets the ids of a node's events begin anew, `ahead` microseconds before or after now.
  newIds(node, ahead) {
    this.#ids.set(node, this.time + ahead);
    return this;
  }

  // Lets a node tell its state.
  state(node, health, members = {}) {
    const time = this.time + (this.ahead[node] ?? 0);
    const whole = { node, time, reachable: true, url: null, detail: null, faults: null, ...members };
    return this.give("state", {
      ...whole,
      health: health && { ...HEALTH[health.role], name: node, ...health },
    });
  }

  // Lets a cluster begin: its master, then the secondaries.
  begin(...secondaries) {
    const rows = secondaries.map((name) => row(name));
    this.state("master", { role: "master", secondaries: rows });
    for (const name of secondaries) this.state(name, { role: "secondary" });
    return this;
  }

  // Lets a client append message `id`, for `w` nodes.
  append(id, w) {
    const ids = [id, id + 1];
    this.tell("master", "accepted", { ids });
    if (w > 1) this.tell("master", "waits", { ids, writeConcern: w });
    this.tell("master", "durable", { ids });
    return this;
  }

  // Lets the master send message `id` to a node as request `request`.
  send(node, id, request, members = {}) {
    const frame = {
      peer: node,
      request,
      frame: "AddMessage",
      ids: [id, id + 1],
      attempt: 1,
      delayMs: 0,
      ...members,
    };
    this.tell("master", frame.attempt > 1 ? "resent" : "sent", frame);
    return this;
  }

  // Lets a node receive message `id`, and store it.
  store(node, id, request) {
    const ids = [id, id + 1];
    this.tell(node, "received", { peer: "master", request, frame: "AddMessage", ids });
    this.tell(node, "stored", { ids });
    return this;
  }

  // Lets the answer come.
  ack(node, id, request) {
    const ids = [id, id + 1];
    this.tell("master", "acked", { peer: node, ids });
    this.tell("master", "completed", {
      peer: node,
      request,
      frame: "AddMessage",
      ids,
      attempt: 1,
      delayMs: 0,
      tookMs: 1,
    });
    return this;
  }

  // Returns what is so now.
  get view() {
    return this.model.view(this.time, true);
  }

  // Returns the things of a type.
  things(type) {
    return this.model.things.between(-Infinity, Infinity).filter((thing) => thing.type === type);
  }
}

export function row(name, members = {}) {
  return {
    name,
    status: "healthy",
    phase: "ready",
    ackedEnd: 0,
    lag: 0,
    inFlight: 0,
    retries: 0,
    rttMs: 1,
    lastSeenMs: 10,
    address: null,
    ...members,
  };
}

const HEALTH = {
  master: {
    mode: "read-write",
    logStart: 0,
    logEnd: 0,
    committedEnd: 0,
    epoch: 1,
    clusterSize: 3,
    quorum: null,
    waitingSenders: 0,
    secondaries: [],
    refused: [],
    disk: null,
  },
  secondary: {
    phase: "ready",
    logStart: 0,
    logEnd: 0,
    committedEnd: 0,
    epoch: 1,
    buffered: 0,
    master: null,
    disk: null,
  },
};
