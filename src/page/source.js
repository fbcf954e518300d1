// Where items come from: the stream of events of the node that served the page, or a recording.

import { isTime, isWellFormed } from "./items.js";

// The names of the stream's events; those without a name are events of nodes.
const NAMES = ["state", "messages", "sampled", "missed", "step", "past"];

// The names of items that may have come before this page did.
const PAST_NAMES = ["event", "state", "messages", "sampled", "missed", "step"];

// Most time for which an item is taken to be older than the page, in microseconds: a day. Smaller: the
// state of a scenario that stood still for longer, waiting for a key, would count as late, and move
// "now". Larger: a wrong time is in force for longer, because none goes back behind it.
const MOST_AGO = 86_400_000_000;

const ADDRESS = "/events?nodes=all&include=state,messages";

// Time after which a stream that was refused is asked for again, in milliseconds.
const AGAIN_MS = 3000;

// The version of the format of recordings that is read and written.
export const VERSION = 1;

// Most items of a recording. Smaller: longer recordings are refused. Larger: the page takes longer
// to open them, and more memory, some 0.5 kB each.
const MOST_ITEMS = 1_000_000;

// What to do about a recording that is too long, as the end of a sentence.
export const HOW_TO_CUT = "cut it, but keep its first line: (head -1 F; tail -n N F)";

// Returns the time of the page in microseconds since 1970, which never goes back.
export function pageTime() {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

// Reads the stream until `close()` is called, and connects again by itself. `onItem(item)` gets
// what comes, `onStatus({state, detail})` whether there is a connection: "connecting", "open",
// "lost". Items come in the order of their times: what came before this page did has the time at
// which it came to a page that was there, and what was missed while there was no connection the time
// at which there was one again.
export function liveSource({ onItem, onStatus }) {
  let source = null;
  let timer = null;
  let latest = 0;
  const take = (event, text) => {
    const data = parsed(text);
    if (data === undefined) return;
    const isPast = event === "past";
    if (isPast && !isPastItem(data)) return;
    latest = Math.max(latest, pageTime() - (isPast ? Math.min(data.ago, MOST_AGO) : 0));
    onItem({ at: latest, ...(isPast ? { event: data.event, data: data.data } : { event, data }) });
  };
  const open = () => {
    source = new EventSource(ADDRESS);
    source.addEventListener("message", ({ data }) => take("event", data));
    for (const name of NAMES) source.addEventListener(name, ({ data }) => take(name, data));
    source.addEventListener("open", () => {
      if (latest > 0) latest = pageTime();
      onStatus({ state: "open", detail: null });
    });
    source.addEventListener("error", () => {
      // After an answer that is no stream a browser does not try again by itself.
      const isRefused = source.readyState === EventSource.CLOSED;
      if (isRefused) timer = setTimeout(open, AGAIN_MS);
      onStatus({ state: "lost", detail: isRefused ? "the node refuses its events" : null });
    });
  };
  onStatus({ state: "connecting", detail: null });
  open();
  return {
    close() {
      clearTimeout(timer);
      source.close();
    },
  };
}

// A recording that cannot be read. Its message is a sentence for people.
export class RecordingError extends Error {}

// Returns what a recording holds: `{head, items}`. An incomplete last line is left out. Throws a
// `RecordingError` that names the line that is wrong.
export function recordingItems(text) {
  const lines = text.split("\n");
  const isCut = lines.at(-1) !== "";
  if (!isCut) lines.pop();
  const head = headOf(lines[0] ?? "");
  const items = [];
  let latest = 0;
  for (let index = 1; index < lines.length; index += 1) {
    if (lines[index].trim() === "") continue;
    const item = parsed(lines[index]);
    if (item === undefined && isCut && index === lines.length - 1) break;
    const reason = item === undefined ? "is not JSON" : reasonAgainst(item);
    if (reason) throw new RecordingError(`This recording cannot be shown: line ${index + 1} ${reason}.`);
    // Times that go back would move what was there before.
    latest = Math.max(latest, item.at);
    items.push({ at: latest, event: item.event, data: item.data });
    if (items.length > MOST_ITEMS) {
      throw new RecordingError(`This recording has more than ${MOST_ITEMS} lines; ${HOW_TO_CUT}.`);
    }
  }
  if (items.length === 0)
    throw new RecordingError("This recording is empty: nothing follows its first line.");
  return { head, items };
}

// Returns the text of a recording.
export function recordingText(head, items) {
  return [head, ...items].map((line) => `${JSON.stringify(line)}\n`).join("");
}

function headOf(line) {
  const head = parsed(line);
  const isHead = head !== null && typeof head === "object" && Number.isFinite(head.recording);
  if (!isHead) {
    throw new RecordingError('This file is no recording: its first line must be {"recording":1,…}.');
  }
  if (head.recording !== VERSION) {
    throw new RecordingError(
      `This recording has version ${head.recording} of the format; this page reads version ${VERSION}.`,
    );
  }
  if (head.clock !== "wall" && head.clock !== "virtual") {
    throw new RecordingError("This recording cannot be shown: the clock in line 1 must be wall or virtual.");
  }
  const { title, madeBy, clock } = head;
  return { title: String(title ?? ""), madeBy: String(madeBy ?? ""), clock };
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

// Whether data are an item that came before the page did, `ago` microseconds ago.
function isPastItem(data) {
  return Number.isFinite(data?.ago) && data.ago >= 0 && PAST_NAMES.includes(data.event);
}

// Returns what is wrong with an item of a recording, as the end of a sentence; null: nothing.
function reasonAgainst(item) {
  if (item === null || typeof item !== "object") return "is no item";
  if (!isTime(item.at)) return "has no time in at";
  if (typeof item.event !== "string") return "has no name in event";
  if (!isWellFormed(item)) return `has data that do not fit the name ${item.event}`;
  return null;
}
