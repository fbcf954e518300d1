// Turns what nodes tell into words for people. Pure functions: no document, no clock.

// What the page is for, in a sentence.
export const INTRODUCTION =
  "A message that you append is stored by the master, which sends it to the other nodes: the page shows when each " +
  "one has it.";

// The longest text of a message that is shown in a line, in characters.
const SHOWN_CHARACTERS = 80;

// What is shown for characters that would hide, move or reorder what stands beside them.
const MARKS = new Map([
  [0x200e, "[LRM]"],
  [0x200f, "[RLM]"],
  [0x061c, "[ALM]"],
  [0x202a, "[LRE]"],
  [0x202b, "[RLE]"],
  [0x202c, "[PDF]"],
  [0x202d, "[LRO]"],
  [0x202e, "[RLO]"],
  [0x2066, "[LRI]"],
  [0x2067, "[RLI]"],
  [0x2068, "[FSI]"],
  [0x2069, "[PDI]"],
  [0x2028, "⏎"],
  [0x2029, "⏎"],
  [0x85, "⏎"],
  [0x0a, "⏎"],
  [0x0d, "␍"],
  [0x09, "⇥"],
  [0x7f, "␡"],
  [0x200b, "[ZWSP]"],
  [0xfeff, "[BOM]"],
]);

// Returns `text` in one line of at most `limit` characters: control characters and marks of
// direction become visible, what is longer ends with "…".
export function shown(text, limit = SHOWN_CHARACTERS) {
  let line = "";
  let count = 0;
  for (const character of text) {
    if (count === limit) return `${line}…`;
    const code = character.codePointAt(0);
    line += MARKS.get(code) ?? (code < 0x20 ? String.fromCodePoint(0x2400 + code) : character);
    count += 1;
  }
  return line;
}

// Returns the letters of each name: the first one or, where several nodes begin alike, that and the
// last characters by which they differ. A Map from name to at most three characters.
export function letters(names) {
  const firsts = new Map();
  for (const name of names) {
    const first = [...name][0]?.toUpperCase() ?? "?";
    firsts.set(first, [...(firsts.get(first) ?? []), name]);
  }
  const marks = new Map();
  for (const [first, alike] of firsts) {
    for (const name of alike)
      marks.set(name, alike.length === 1 ? first : first + ending(name, alike));
  }
  return marks;
}

// Returns the shortest end of `name`, of two characters at most, that no other name of `alike` has.
function ending(name, alike) {
  const others = alike.filter((other) => other !== name);
  const one = name.slice(-1);
  return others.some((other) => other.endsWith(one)) ? name.slice(-2) : one;
}

// Returns a duration in words with a unit: "850 ms", "1.2 s", "4 min".
export function durationWords(ms) {
  if (ms < 0.05) return "0 ms";
  if (ms < 1) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

// Returns "1 message", "2 messages".
export function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

// Returns names as a list in a sentence: "a", "a and b", "a, b and c".
export function listed(names) {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

// Returns nodes in a sentence: their names or, of many, their number.
export function nodesListed(names) {
  return names.length > 4 ? `${names.length} nodes` : listed(names);
}

// Returns a rate of 0 to 1 in percent.
function percent(rate) {
  return `${Math.round(rate * 1000) / 10} %`;
}

// Returns a delay as [shortest, longest] in ms in words.
function delay([shortest, longest]) {
  return shortest === longest ? durationWords(longest) : `${durationWords(shortest)} to ${durationWords(longest)}`;
}

// How a node is that is paused.
export const PAUSED = "paused: reads and writes no frame";

// Returns the faults in force in words, one phrase for each, that go on from a node's name.
export function faultPhrases(faults) {
  if (!faults) return [];
  const phrases = [];
  if (faults.paused) phrases.push(`is ${PAUSED}`);
  if (faults.dropRate >= 1) phrases.push("is cut off: all of its frames are lost");
  else if (faults.dropRate > 0) phrases.push(`loses ${percent(faults.dropRate)} of its frames`);
  if (faults.duplicateRate > 0)
    phrases.push(`sends ${percent(faults.duplicateRate)} of its frames twice`);
  if (faults.errorRate > 0)
    phrases.push(`answers ${percent(faults.errorRate)} with an error after storing`);
  if (isDelay(faults.storeDelayMs)) phrases.push(`stores after ${delay(faults.storeDelayMs)}`);
  if (isDelay(faults.sendDelayMs))
    phrases.push(`sends requests after ${delay(faults.sendDelayMs)}`);
  return phrases;
}

// Whether a delay as [shortest, longest] or null delays anything.
function isDelay(range) {
  return Boolean(range) && range[1] > 0;
}

// The faults that have a button, in the order of the buttons.
export const FAULTS = ["pause", "drop", "duplicate", "slow", "cut"];

// Whether the fault of a button is in force.
export function inForce(fault, faults) {
  if (!faults) return false;
  if (fault === "pause") return Boolean(faults.paused);
  if (fault === "drop") return faults.dropRate > 0 && faults.dropRate < 1;
  if (fault === "cut") return faults.dropRate >= 1;
  if (fault === "duplicate") return faults.duplicateRate > 0;
  return isDelay(faults.storeDelayMs) || isDelay(faults.sendDelayMs);
}

// Returns the body of `PUT /faults` that turns the fault of a button on or off and leaves the other
// faults as they are.
export function toggled(fault, faults, isMaster) {
  const on = !inForce(fault, faults);
  const next = { ...faults };
  if (fault === "pause") next.paused = on;
  if (fault === "drop") next.dropRate = on ? 0.3 : 0;
  if (fault === "cut") next.dropRate = on ? 1 : 0;
  if (fault === "duplicate") next.duplicateRate = on ? 0.5 : 0;
  if (fault === "slow") {
    next.storeDelayMs = on && !isMaster ? [1000, 1000] : null;
    next.sendDelayMs = on && isMaster ? [300, 300] : null;
  }
  return next;
}

// What to do about an error of an append, by its code.
const ADVICE = new Map([
  ["timed-out", "It is stored and goes on to the other nodes; only the wait has ended."],
  ["no-quorum", "Heal or start nodes, then append again."],
  ["too-many-waiting", "Let some of the clients that wait get their answers first."],
  ["too-busy", "Append again in a moment."],
  ["disk-failed", "See the master's disk in the cluster's state."],
  ["stopping", "Start the master again."],
  ["unsatisfiable-write-concern", "Choose a write concern of at most the cluster's size."],
  ["too-large", "Send a shorter message."],
  ["not-the-master", "Append on the master's page."],
  ["bad-request", "Correct the form, then append again."],
  ["wrong-origin", "Open the page under the address of the node itself."],
]);

// Returns the answer to an append in words: `{ok, title, detail}`. `body` is the JSON answer, or
// null where there was none.
export function answerWords(status, body) {
  if (status === 201) {
    return { ok: true, title: "answered 201", detail: `on ${nodesListed(body?.ackedBy ?? [])}` };
  }
  const code = body?.code ?? "no answer";
  const what = body?.detail ?? "The answer could not be read.";
  const advice = ADVICE.get(code) ?? (body?.retry ? "Append again later." : "");
  return {
    ok: false,
    title: `answered ${status} ${code}`,
    detail: [punctuated(what), advice].join(" ").trim(),
  };
}

// Returns `text` with a capital letter and a full stop.
export function punctuated(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}

// Returns the number of nodes that a write concern stands for in a cluster of `size` nodes.
export function concernNumber(concern, size) {
  if (concern === "all") return size;
  if (concern === "majority") return Math.floor(size / 2) + 1;
  return Math.max(1, concern);
}

// Returns what the field for a write concern means: a number, "majority" or "all"; null where it is
// none of these.
export function parseConcern(text) {
  const word = text.trim().toLowerCase();
  if (word === "majority" || word === "all") return word;
  return /^\d{1,9}$/.test(word) ? Number(word) : null;
}

// Returns sentences that name the clock of the axis and say whose events are moved: see `facts()` of
// clock.js.
export function clockWords({ virtual, reference, moved }) {
  if (virtual) return "Times are the virtual time of a simulation.";
  if (reference === null) return "Times are the wall clocks of the nodes.";
  const sentences = moved.map(({ name, shift, within }) => {
    const exact = Number.isFinite(within) ? ` (±${durationWords(Math.max(within, 100) / 1000)})` : "";
    const far = `${durationWords(Math.abs(shift) / 1000)} ${shift > 0 ? "ahead" : "behind"}`;
    return `${name}’s clock is ${far}; its events are moved by that${exact}.`;
  });
  return [`Times are those of ${reference}’s clock.`, ...sentences].join(" ");
}

// Returns what the page was not told, in words; "" where it was told everything.
export function leftOutWords({ events, messages, every, missed }) {
  const parts = [];
  if (events > 0) parts.push(`${plural(events, "event")} (one of ${every} messages is followed)`);
  if (missed > 0) parts.push(`${plural(missed, "event")}, because this page was too slow`);
  if (messages > 0) parts.push(`${plural(messages, "message")} of the lists`);
  return parts.length === 0 ? "" : `Left out so far: ${parts.join("; ")}.`;
}
