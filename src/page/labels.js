// Words on the timeline: those of clients that wait, and as much of others as has room. Pure functions.

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

// Returns as much of a text as fits into `room` pixels, with "…" where it is cut; "" where that is
// too little.
export function cutTo(text, room, lanes) {
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
