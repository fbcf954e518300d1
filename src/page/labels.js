// Words on the timeline: of clients that wait, and of bands. Pure functions.

// Lines at which the words of a kind of band stand, counted from the top of a node's part.
const LINES = { faults: 0, paused: 0, "read-only": 0, silence: 1, disk: 1, unreachable: 1, disconnected: 1, gap: 2 };

// Width of a character of small type, in rem.
const CHARACTER = 0.36;

// Returns the label of a client's bar.
export function appendLabel({ first, end, w, state, acks }, every, names) {
  if (every > 1) return "";
  const what = end - first === 1 ? `${first}` : `${first}–${end - 1}`;
  const concern = w === null ? "" : ` w=${w}`;
  if (state !== "waiting" || w === null || w === 1) return what + concern;
  const lacking = names.filter((name) => !acks.some(({ node }) => node === name));
  const open = w - acks.length;
  if (open <= 0 || lacking.length === 0) return what + concern;
  return `${what}${concern} waits for ${open < lacking.length ? `${open} of ` : ""}${lacking.join(", ")}`;
}

// Returns the marks of a band: a part of the lane, and its words.
export function bandMark(band, lanes, start, now) {
  const top = lanes.top(band.node);
  if (top === null) return [];
  const x0 = Math.max(lanes.x(band.t), lanes.x(start) - lanes.rem);
  const x1 = Math.max(x0 + 2, lanes.x(band.end ?? Math.max(now, band.t)));
  const line = LINES[band.kind] ?? 1;
  const y = line === 2 ? top + lanes.pitch - 0.35 * lanes.rem : top + (0.95 + line) * lanes.rem;
  const isGap = band.kind === "gap";
  const y0 = isGap ? lanes.y(band.node) : top + 0.1 * lanes.rem;
  const y1 = top + lanes.pitch - 0.1 * lanes.rem;
  const height = band.kind === "faults" ? 0.22 * lanes.rem : y1 - y0;
  const tx = Math.max(x0, lanes.x(start)) + 0.3 * lanes.rem;
  const room = band.end === null ? Infinity : Math.floor((x1 - tx) / (CHARACTER * lanes.rem));
  const words = room >= band.text.length ? band.text : room < 4 ? "" : `${band.text.slice(0, room - 1)}…`;
  return [{
    key: "band", kind: band.kind, look: "band", node: band.node, color: band.node, t: band.t,
    box: [x0, y0, x1 - x0, height], words: `${band.node}: ${band.text}`, label: words && { text: words, x: tx, y },
  }];
}
