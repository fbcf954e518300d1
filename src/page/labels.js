// Words on the timeline: of clients that wait, and of bands. Pure functions.

// Fewest characters of words that are cut. Fewer: nobody can read what is left.
const FEWEST = 3;

// Returns the label of a client's bar as it is at `t`; without what it waits for, where all of it has
// no room, as `fits(text)` says.
export function appendLabel({ first, end, w, acceptedAt, endedAt, acks }, every, names, t, fits = () => true) {
  if (every > 1) return "";
  const what = end - first === 1 ? `${first}` : `${first}–${end - 1}`;
  const label = w === null ? what : `${what} w=${w}`;
  const waits = acceptedAt <= t && (endedAt === null || endedAt > t);
  if (!waits || w === null || w === 1) return label;
  const has = new Set(acks.filter((ack) => ack.t <= t).map(({ node }) => node));
  const lacking = names.filter((name) => !has.has(name));
  const open = w - has.size;
  if (open <= 0 || lacking.length === 0) return label;
  const whole = `${label} waits for ${open < lacking.length ? `${open} of ` : ""}${lacking.join(", ")}`;
  return fits(whole) ? whole : label;
}

// Returns the lines on which the words of a band may stand, counted from the top of its node's part;
// the last one is at the bottom.
export function linesOf({ kind }) {
  return kind === "gap" ? [2] : [0, 1];
}

// Returns the words of a band without the reasons, which stand behind colons and are told where one
// asks for them. Of faults there are several, between commas.
function withoutReasons({ kind, text }) {
  return kind === "faults" ? text.replace(/:[^,]*/g, "") : text.split(":")[0];
}

// Returns as much of a text as fits into `room` pixels, with "…" where it is cut; "" where that is
// too little.
function cutTo(text, room, lanes) {
  if (lanes.widthOf(text) <= room) return text;
  let left = room - lanes.widthOf("…");
  let words = "";
  for (const character of text) {
    left -= lanes.widthOf(character);
    if (left < 0) break;
    words += character;
  }
  return words.length < FEWEST ? "" : `${words.trimEnd()}…`;
}

// Returns the marks of a band: a part of the lane, and its words on a line; null: without words.
export function bandMark(band, lanes, { start, now, line }) {
  const top = lanes.top(band.node);
  if (top === null) return [];
  const x0 = Math.max(lanes.x(band.t), lanes.x(start) - lanes.rem);
  const x1 = Math.max(x0 + 2, lanes.x(band.end ?? Math.max(now, band.t)));
  const y = line === 2 ? top + lanes.pitch - 0.2 * lanes.rem : top + (1.02 + 0.85 * line) * lanes.rem;
  const isGap = band.kind === "gap";
  const y0 = isGap ? lanes.y(band.node) : top + 0.1 * lanes.rem;
  const y1 = top + lanes.pitch - 0.1 * lanes.rem;
  const height = band.kind === "faults" ? 0.22 * lanes.rem : y1 - y0;
  const tx = Math.max(x0, lanes.x(start)) + 0.3 * lanes.rem;
  // Words of what goes on may stand where it is still to come, and end with the window.
  const right = band.end === null ? lanes.x(start + lanes.span) : x1;
  const words = cutTo(isGap ? band.text : withoutReasons(band), right - tx, lanes);
  return [
    {
      key: "band",
      kind: band.kind,
      look: "band",
      node: band.node,
      color: band.node,
      t: band.t,
      box: [x0, y0, x1 - x0, height],
      words: `${band.node}: ${band.text}`,
      label: line !== null && words && { text: words, x: tx, y },
    },
  ];
}
