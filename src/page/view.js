// What was so at one moment. Plain data, made from the model when it is asked for.

import { SECOND } from "./timed.js";
import { letters } from "./words.js";

// A node that lacks what its master has had for so long is behind, in microseconds. Shorter: it counts as
// behind while a message is on its way. Longer: it has all although a message was lost.
const ON_ITS_WAY = SECOND;

export class View {
  #model;
  #nodes = null;
  #appends = null;
  #until;

  // Shows the moment `t` with what happened up to `until`.
  constructor(model, t, until) {
    this.#model = model;
    this.#until = until;
    this.t = t;
    this.health = this.master()?.health ?? null;
  }

  // Returns the nodes, the master first, then by name.
  nodes() {
    this.#nodes ??= this.#nodesNow();
    return this.#nodes;
  }

  node(name) {
    return this.nodes().find((node) => node.name === name) ?? null;
  }

  // Returns the master; null: it is not known, as on a secondary's page.
  master() {
    return this.nodes().find((node) => node.role === "master") ?? null;
  }

  // Returns the nodes that have a lane, without those that are gone. On a secondary's page also its
  // master, of which only that secondary tells: marked isElsewhere.
  lanes() {
    const nodes = this.nodes().filter(({ isGone }) => !isGone);
    const known = new Set(nodes.map(({ name }) => name));
    const names = nodes.map(({ health }) => health?.master?.name).filter((name) => typeof name === "string");
    const others = [...new Set(names)].filter((name) => !known.has(name)).slice(0, 1);
    const elsewhere = others.map((name) => ({
      name,
      letter: letters([name]).get(name),
      color: 0,
      isElsewhere: true,
    }));
    return [...elsewhere, ...nodes];
  }

  clusterSize() {
    return this.health?.clusterSize ?? 0;
  }

  // Returns the end of what a majority has, as far as the master's state or acks tell; null: not known.
  committedEnd() {
    const known = this.health?.committedEnd;
    if (typeof known !== "number") return null;
    const ends = this.nodes().filter(({ isMember }) => isMember).map(({ ackedEnd }) => ackedEnd);
    const majority = Math.floor(this.clusterSize() / 2) + 1;
    return Math.max(known, ends.sort((a, b) => b - a)[majority - 1] ?? 0);
  }

  // Returns the appends, the oldest first: at most 200, those that wait and the latest ones.
  appends() {
    const names = this.nodes().filter(({ isMember }) => isMember).map(({ name }) => name);
    this.#appends ??= this.#model.appendsAt(this.#until, names);
    return this.#appends;
  }

  // Returns the steps of a scenario up to now, the latest last.
  steps() {
    return this.#model.stepsAt(this.#until);
  }

  get clock() {
    return this.#model.clocks.facts();
  }

  get leftOut() {
    return this.#model.leftOut;
  }

  #nodesNow() {
    const t = this.#until;
    const known = this.#model.nodes().map((node) => ({ node, state: node.states.at(t) }));
    const colors = this.#model.colors();
    const marks = letters(known.map(({ node }) => node.name));
    const master = known.find(({ node }) => node.role === "master");
    const health = master?.state?.health;
    const masterEnd = this.#endOthersHave(master?.node);
    const told = Math.max(0, ...known.map(({ node }) => node.lists.at(t).end));
    const rows = new Map((health?.secondaries ?? []).map((row) => [row.name, row]));
    const refused = new Map((health?.refused ?? []).map((one) => [one.name, one.code]));
    return known.map(({ node, state }) => {
      const now = this.#nodeNow(node, state, rows.get(node.name) ?? null, {
        letter: marks.get(node.name),
        color: colors.get(node.name),
        told,
      });
      const isMember = node.role === "master" || !health || rows.has(node.name);
      return { ...now, masterEnd, isMember, isGone: node.gone.at(t), refusal: refused.get(node.name) ?? null };
    });
  }

  // Returns the end of what the master has had for so long that others have it, unless it was lost.
  #endOthersHave(master) {
    const then = Math.min(this.#until, this.t) - ON_ITS_WAY;
    return Math.max(master?.ends.at(then) ?? 0, master?.states.at(then)?.health?.logEnd ?? 0);
  }

  // `told`: the end of what the lists of all nodes told by then.
  #nodeNow(node, state, row, { letter, color, told }) {
    const t = this.#until;
    const { name, role } = node;
    const health = state?.health ?? null;
    const { from, end: listEnd, texts } = node.lists.at(t);
    const storedEnd = Math.max(node.ends.at(t) ?? 0, health?.logEnd ?? 0);
    // Lists come later than events. What happens now gets its row once its text is known; of a moment that
    // is over, the list that came next tells it.
    const shownEnd = t === Infinity ? Math.min(storedEnd, told) : storedEnd;
    const end = Math.max(listEnd, health?.logEnd ?? 0, shownEnd);
    const next = node.lists.after(t).texts;
    const held = node.held.at(t);
    return {
      name,
      letter,
      color,
      role,
      health,
      row,
      from,
      texts,
      held,
      end,
      storedEnd,
      reachable: state?.reachable ?? true,
      detail: state?.detail ?? null,
      masterUrl: state?.masterUrl ?? null,
      faults: state?.faults ?? null,
      stateTime: state ? state.time : null,
      status: row?.status ?? null,
      ackedEnd: role === "master" ? storedEnd : Math.max(row?.ackedEnd ?? 0, node.acks.at(t) ?? 0),
      text: (id) => texts.get(id) ?? next.get(id) ?? this.#elsewhere(id),
    };
  }

  // Returns the text of a message that a node has not in its list, from that of another.
  #elsewhere(id) {
    for (const node of this.nodes()) {
      const text = node.texts.get(id);
      if (text !== undefined) return text;
    }
    return undefined;
  }
}
