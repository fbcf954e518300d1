// Recordings: what is saved of the last minute, and how a file is opened and shown.

import { Model } from "./model.js";
import { HOW_TO_CUT, recordingItems, recordingText, RecordingError, VERSION } from "./recording-format.js";
import { SECOND } from "./timed.js";

// Longest file that is opened, in bytes. Larger: the page would have no room for what it says.
const LONGEST_FILE = 512 * 1024 * 1024;

// Most texts of a node's list with which a recording begins.
const TEXTS = 200;

// Longest time after the first state of a node at which a recording is shown first, in microseconds.
// Shorter: nothing is to be seen yet, where nodes start slowly. Longer: what happens before the first
// message is passed over.
const LATEST_START = 2 * SECOND;

// Returns the recording of what a model keeps. `madeAt`: when, in milliseconds since 1970.
export function saved(model, madeAt) {
  const items = model.items().filter(({ event }) => event !== "connection");
  const at = items[0]?.at ?? 0;
  const head = {
    recording: VERSION,
    madeBy: "acklog page",
    clock: model.clocks.virtual ? "virtual" : "wall",
    title: `the minute before ${new Date(madeAt).toISOString().slice(0, 19).replace("T", " ")} UTC`,
  };
  return recordingText(head, [...begin(model, at), ...items]);
}

// Returns the state and the messages of each node as they were when the items begin.
function begin(model, at) {
  const t = model.now(at);
  const items = [];
  for (const node of model.nodes()) {
    const state = node.states.at(t);
    if (state) items.push({ at, event: "state", data: state });
    const { from, end, texts } = node.lists.at(t);
    const first = Math.max(from, end - TEXTS);
    const messages = [];
    for (let id = first; id < end; id += 1) messages.push(texts.get(id) ?? "…");
    items.push({ at, event: "messages", data: { node: node.name, from: first, messages } });
  }
  return items;
}

// Reads a file. Returns `{model, head, from, to, start}`: a model that keeps all of it, the time that
// it spans, and the moment that is shown first. Throws a `RecordingError` whose message says what is wrong.
export async function opened(file) {
  if (file.size > LONGEST_FILE) {
    throw new RecordingError(`This file is too large to be shown; ${HOW_TO_CUT}.`);
  }
  const text = await file.text().catch((error) => {
    throw new RecordingError(`This file cannot be read: ${error.message}`);
  });
  const { head, items } = recordingItems(text);
  return { head, ...played(head, items) };
}

// Returns the model that has taken all items, the time that they span, and the moment that is shown
// first.
export function played(head, items) {
  const model = new Model({ virtual: head.clock === "virtual", kept: Infinity });
  for (const item of items) model.take(item);
  const [from, to] = [model.now(items[0].at), model.now(items.at(-1).at)];
  return { model, from, to, start: Math.min(Math.max(model.now(firstSight(items)), from), to) };
}

// Returns when there is something to see: the first message in a list or, where that is long to come,
// nodes whose states are known.
function firstSight(items) {
  const state = items.find(({ event }) => event === "state")?.at ?? items[0].at;
  const message = items.find(({ event, data }) => event === "messages" && data.messages.length > 0)?.at;
  return Math.min(message ?? Infinity, state + LATEST_START);
}

// Gives a text to the user as a file.
export function download(text, name) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/x-ndjson" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads it while the link is followed, which it may do a little later.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
