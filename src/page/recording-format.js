// The format of recordings: a line about the whole, then an item in each line, all as JSON.

import { isTime, isWellFormed } from "./items.js";
import { parsed } from "./json.js";

// The version of the format of recordings that is read and written.
export const VERSION = 1;

// Most items of a recording. Smaller: longer recordings are refused. Larger: the page takes longer
// to open them, and more memory, some 0.5 kB each.
const MOST_ITEMS = 1_000_000;

// What to do about a recording that is too long, as the end of a sentence.
export const HOW_TO_CUT = "cut it, but keep its first line: (head -1 F; tail -n N F)";

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

// Returns what is wrong with an item of a recording, as the end of a sentence; null: nothing.
function reasonAgainst(item) {
  if (item === null || typeof item !== "object") return "is no item";
  if (!isTime(item.at)) return "has no time in at";
  if (typeof item.event !== "string") return "has no name in event";
  if (!isWellFormed(item)) return `has data that do not fit the name ${item.event}`;
  return null;
}
