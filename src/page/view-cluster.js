// The state of the cluster in figures, and the note of a page that shows one node alone.

import { make, setAttribute, setText, show } from "./dom.js";
import { isWell } from "./node-words.js";

// The figures in the order in which they stand, each with what it means.
export const FIGURES = [
  ["mode", "mode", "Whether the master takes messages."],
  ["committed", "committed end", "A majority of the nodes has the messages below this id."],
  ["end", "log end", "The id that the next message gets."],
  ["waiting", "senders waiting", "Clients whose write concern does not hold yet."],
  [
    "quorum",
    "nodes healthy",
    "Nodes that are healthy; where a quorum is set, also how many must be. “?”: the master is paused, and hears " +
      "of none.",
  ],
  ["epoch", "epoch", "The number of the master's term."],
];

// The header's figures. `who` names the node that served the page, `note` says what it cannot show.
export class ClusterView {
  constructor({ root, who, note }) {
    this.who = who;
    this.note = note;
    this.figures = new Map();
    for (const [key, label, meaning] of FIGURES) {
      const value = make("dd", {}, make("span"), make("small"));
      const figure = make(
        "div",
        { title: meaning, data: { figure: key } },
        make("dt", {}, label),
        value,
      );
      this.figures.set(key, figure);
      root.append(figure);
    }
  }

  // Draws the figures as the nodes are now. `title` is that of a recording, or null.
  update(view, title) {
    const master = view.master();
    const own = master ?? view.nodes()[0];
    setText(this.who, whoWords(own, title));
    setAttribute(this.who, "title", title);
    document.title = own ? `${own.name} · acklog` : "acklog";
    for (const [key, [value, rest, level]] of Object.entries(figures(own, view))) {
      const figure = this.figures.get(key);
      setText(figure.lastChild.firstChild, value ?? "");
      setText(figure.lastChild.lastChild, rest);
      setAttribute(figure, "class", level || null);
      show(figure, value !== null);
      if (key === "mode") setText(figure.firstChild, own?.role === "secondary" ? "phase" : "mode");
    }
    const alone = title === null && view.nodes().length === 1 && own.role === "secondary";
    this.#drawNote(alone ? own : null);
  }

  // Says what the page of a secondary, `own`, shows; nothing where it is null.
  #drawNote(own) {
    show(this.note, own !== null);
    if (own === null) return;
    const link = own.health?.master;
    const parts = [`This page shows ${own.name} alone, as ${own.name} itself knows it.`];
    if (link?.address)
      parts.push(
        `Its master is ${link.name ?? "the node"} at ${link.address}${link.connected ? "" : ", not connected now"}.`,
      );
    const url = masterUrl(own);
    const key = `${parts.join(" ")}${url ?? ""}`;
    if (this.noted === key) return;
    this.noted = key;
    const more = url
      ? make("a", { href: url }, "All nodes are on the master's page")
      : "All nodes are on the master's page.";
    this.note.replaceChildren(parts.join(" "), " ", more);
  }
}

// Returns who tells what the page shows.
function whoWords(own, title) {
  if (title !== null) return title;
  if (!own) return "";
  return own.role === "master" ? own.name : `${own.name}, a secondary`;
}

// Returns each figure as [value, what stands beside it, level]; the value is null where it is not
// known.
function figures(own, view) {
  const health = own?.health;
  const known = (value) => (value === null || value === undefined ? null : String(value));
  // Events tell of a node's log before its state does.
  const end = health ? own.end : null;
  const committed = own?.role === "master" ? view.committedEnd() : health?.committedEnd;
  const waiting = health?.waitingSenders;
  return {
    mode: [
      known(own?.role === "master" ? health?.mode : health?.phase),
      "",
      health?.mode === "read-only" ? "alarm" : "",
    ],
    committed: [known(committed), "", ""],
    end: [known(end), "", ""],
    waiting: [known(waiting), "", waiting > 0 ? "waiting" : ""],
    quorum: healthyFigure(view),
    epoch: [known(health?.epoch), "", ""],
  };
}

// Returns how many nodes are healthy, of how many, and how many must be. What the master knows is old
// where it is paused, and of a node that says itself that it is not connected.
export function healthyFigure(view) {
  const master = view.master();
  const members = master?.health?.secondaries;
  if (!members) return [null, "", ""];
  const { quorum } = master.health;
  const size = view.clusterSize();
  const rest = ` of ${size}${quorum ? `, quorum ${quorum.required}` : ""}`;
  if (master.faults?.paused) return ["?", rest, "waiting"];
  const well = members.filter(isWell);
  const gone = well.filter(({ name }) => view.node(name)?.health?.phase === "connecting").length;
  const healthy = (quorum?.healthy ?? 1 + well.length) - gone;
  const level = quorum && healthy < quorum.required ? "alarm" : healthy < size ? "waiting" : "";
  return [String(healthy), rest, level];
}

// Returns the URL of the page of a secondary's master, or null where it is not known.
function masterUrl(own) {
  const url = own.masterUrl;
  return typeof url === "string" && /^https?:\/\//.test(url) ? url : null;
}
