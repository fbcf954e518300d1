// What a step of the tour can see: the nodes as they are, and the events and the appends of this
// page since the step began.

import { inForce } from "./words.js";

// Events of one step, and of those before it, that are kept. More: memory under load. Fewer: the one that
// a step waits for may be gone before it is looked for.
const KEPT_EVENTS = 4096;

export class Sight {
  constructor() {
    this.events = [];
    this.previous = [];
    this.since = 0;
    this.view = null;
    this.entries = [];
  }

  // Begins a step: what happened before counts no more. `number` is that of the last append so far.
  begin(number) {
    this.previous = [...this.previous, ...this.events].slice(-KEPT_EVENTS);
    this.events = [];
    this.since = number;
  }

  // Takes an event.
  take(event) {
    this.events.push(event);
    if (this.events.length > KEPT_EVENTS) this.events.splice(0, KEPT_EVENTS / 2);
  }

  // Takes the nodes and the appends of this page as they are now.
  look(view, entries) {
    this.view = view;
    this.entries = entries;
  }

  // Returns the first event since the step began that `fits`, or undefined.
  event(fits) {
    return this.events.find(fits);
  }

  // Returns the last event of the steps before that `fits`, or undefined.
  eventBefore(fits) {
    return this.previous.findLast(fits);
  }

  // Returns an append of this step that was answered 201 and `fits`, or undefined.
  answered(fits) {
    return this.entries.find(
      (entry) => entry.number > this.since && entry.state === "answered" && fits(entry),
    );
  }

  // Returns an append that waits, has its id, and `fits`, or undefined.
  waiting(fits) {
    return this.entries.find(
      (entry) => entry.state === "waits" && entry.id !== null && fits(entry),
    );
  }

  // Whether an append waits, has its id, and `fits`.
  waits(fits) {
    return this.waiting(fits) !== undefined;
  }

  // Returns the nodes of the cluster.
  members() {
    return this.view.nodes().filter(({ isMember }) => isMember);
  }

  // Returns the names of the nodes that have not acked a message, as far as is known.
  lacking(id) {
    return this.members().filter(({ ackedEnd }) => ackedEnd <= id).map(({ name }) => name);
  }

  // Returns the name of the node that acked a message last, as events of this step tell; null: none does.
  lastToAck(id) {
    const acks = this.events.filter(({ kind, ids }) => kind === "acked" && ids[1] > id);
    return [...new Set(acks.map(({ peer }) => peer))].at(-1) ?? null;
  }

  // Returns a node by its name, or undefined.
  node(name) {
    return this.view?.node(name);
  }

  // Returns the end of a node's list.
  end(name) {
    return this.node(name)?.end ?? 0;
  }

  // Returns the faults of a node, or undefined.
  faults(name) {
    return this.node(name)?.faults;
  }

  // Whether the fault of a button is in force on a node.
  breaks(name, fault) {
    return inForce(fault, this.faults(name));
  }

  // Returns the status of a secondary as the master sees it.
  status(name) {
    return this.node(name)?.status ?? "healthy";
  }

  // Whether a node has all that its master has.
  same(name) {
    return this.end(name) === this.view.master()?.end;
  }
}
