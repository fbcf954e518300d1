// Events, messages and times in words. Pure functions.

import { SECOND } from "./timed.js";
import { durationWords, faultPhrases, plural, punctuated } from "./words.js";

// Returns "message 5" or "messages 5 to 7"; empty for none.
export function idsWords(ids) {
  if (!ids) return "";
  const [first, end] = ids;
  if (end <= first) return "no messages";
  return end - first === 1 ? `message ${first}` : `messages ${first} to ${end - 1}`;
}

// Returns a sentence that says which messages are marked.
export function markedWords(ids) {
  return punctuated(`${idsWords(ids)} ${ids[1] - ids[0] === 1 ? "is" : "are"} marked`);
}

// Returns a time of day with milliseconds, or of a simulation the seconds since its start.
export function timeWords(t, virtual = false) {
  if (virtual) return `${(t / SECOND).toFixed(3)} s`;
  const date = new Date(t / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

// Returns what is told of a moment at which nothing happened. `range`: the span of time that is shown.
export function quietWords(t, [from, to], isRecording) {
  if (t <= from) return isRecording ? "the recording begins here" : "no earlier event: a live page keeps 60 s";
  if (t >= to) return isRecording ? "the recording ends here" : "frozen here";
  return "no event at this moment";
}

// Kinds of what happens to a message, each before those that it causes.
const CAUSES = [
  ["accepted", "waits"],
  ["sent", "resent", "doubled", "lost"],
  ["received"],
  ["store-delayed"],
  ["stored", "held", "gap-closed", "duplicate"],
  ["acked"],
  ["completed", "late"],
  ["answered", "canceled"],
];
const RANKS = new Map(CAUSES.flatMap((kinds, rank) => kinds.map((kind) => [kind, rank])));

// Compares two of `{t, kind}`: by time, then by cause.
export function inOrder(one, other) {
  return one.t - other.t || (RANKS.get(one.kind) ?? 0) - (RANKS.get(other.kind) ?? 0);
}

const ANSWERS = {
  acked: "is answered: its write concern holds",
  "timed-out": "is answered: its time limit passed",
  stopping: "is answered: the node stops",
  "disk-failed": "is answered: the disk failed",
  "too-many-waiting": "is answered: too many wait",
};

// The frames that answer a request are of these kinds; the others are requests.
const ANSWER_FRAMES = new Set(["Page", "Added", "Alive", "Welcome", "Refused", "ReadyNoted", "Failed"]);

export function isAnswer(frame) {
  return ANSWER_FRAMES.has(frame);
}

function frameWords({ frame, ids, from }) {
  if (frame === "AddMessage" || frame === "Page") return idsWords(ids) || "messages";
  if (frame === "Added") return "the ack";
  if (frame === "GetMessages") return `a request for messages from ${from ?? "a gap"} on`;
  if (frame === "SecondaryNodeReady") return "that it is ready";
  return frame ? `a frame ${frame}` : "a frame";
}

const detail = (event) => (event.detail ? `: ${event.detail}` : "");
const about = (event) => (event.ids ? ` about ${idsWords(event.ids)}` : "");
const pause = (event) => (event.pauseMs ? `; again in ${durationWords(event.pauseMs)}` : "");
const later = (event) => (event.delayMs ? `, ${durationWords(event.delayMs)} later by a fault` : "");
const attempt = (event) => (event.attempt > 1 ? ` (attempt ${event.attempt})` : "");

const SENTENCES = {
  accepted: (e) => `${e.node} accepted ${idsWords(e.ids)}`,
  durable: (e) => `${e.node} has ${idsWords(e.ids)} in its log`,
  waits: (e) => `a client waits until ${e.writeConcern} nodes have ${idsWords(e.ids)}`,
  stored: (e) => `${e.node} stored ${idsWords(e.ids)}`,
  held: (e) => `${e.node} holds ${idsWords(e.ids)} back: message ${e.end} is missing`,
  "gap-closed": (e) => `the gap on ${e.node} closed: it stores ${idsWords(e.ids)}`,
  duplicate: (e) => `${e.node} had ${idsWords(e.ids)} already`,
  "store-delayed": (e) => `${e.node} stores ${idsWords(e.ids)} ${durationWords(e.delayMs ?? 0)} later by a fault`,
  acked: (e) => `${e.peer} acked ${idsWords(e.ids)}`,
  answered: (e) => `the client of ${idsWords(e.ids)} ${ANSWERS[e.answer] ?? `is answered: ${e.answer}`}`,
  canceled: (e) => `the client of ${idsWords(e.ids)} stopped waiting`,
  sent: (e) => `${e.node} sent ${frameWords(e)} to ${e.peer}${later(e)}`,
  resent: (e) => `${e.node} sent ${frameWords(e)} to ${e.peer} again${attempt(e)}${later(e)}`,
  received: (e) => `${e.node} received ${frameWords(e)} from ${e.peer}`,
  completed: (e) => `${e.node} got an answer from ${e.peer} after ${durationWords(e.tookMs ?? 0)}`,
  "timed-out": (e) => `${e.node} got no answer from ${e.peer} in time${about(e)}${pause(e)}`,
  late: (e) => `an answer from ${e.peer} came late or twice; it counts all the same`,
  failed: (e) => `a request between ${e.node} and ${e.peer} failed${detail(e)}`,
  "under-way": (e) => `${e.peer} asked again for a page that is on its way`,
  dropped: (e) => `${frameWords(e)} from ${e.node} to ${e.peer} was lost by a fault`,
  doubled: (e) => `${e.node} sent ${frameWords(e)} to ${e.peer} twice by a fault`,
  delayed: (e) => `${e.node} sends ${frameWords(e)} to ${e.peer}${later(e)}`,
  connecting: (e) => (e.peer ? `${e.node} connects to ${e.peer}` : `${e.node} has a new connection`),
  handshake: (e) => `${e.peer} introduced itself to ${e.node}`,
  refused: (e) => `${e.peer ?? "a node"} was refused${detail(e)}${pause(e)}`,
  "left-early": (e) => `a connection to ${e.node} ended early${detail(e)}`,
  joined: (e) => `${e.node} and ${e.peer} are connected`,
  ready: (e) => `${e.node} and ${e.peer}: new messages are sent as they come`,
  left: (e) => `the connection of ${e.node} and ${e.peer} ended${detail(e)}`,
  lost: (e) => `${e.peer} came back without ${idsWords(e.ids)}`,
  advice: (e) => `${e.node}${detail(e)}`,
  health: (e) => `${e.peer} is ${e.status}`,
  quorum: (e) => `${e.healthy ?? "some"} nodes are healthy, ${e.required ?? "more"} must be${detail(e)}`,
  mode: (e) => `${e.node} is ${e.mode}`,
  disk: (e) => `the disk of ${e.node}: ${e.state}${detail(e)}`,
  behind: (e) => `${e.peer ?? e.node} has more of the log than its master`,
  aborted: (e) => `${e.count ?? "some"} clients are answered because the disk failed`,
  repair: (e) => `a damaged part of the log of ${e.node}: ${e.state ?? "it is being repaired"}${detail(e)}`,
  members: (e) =>
    e.peer ? `${e.peer} counts as a node of the cluster` : `the cluster has ${e.clusterSize} nodes`,
  faults: (e) => `faults on ${e.node}: ${faultPhrases(e.faults).join(", ") || "none"}`,
  disconnected: (e) => `${e.node} dropped ${plural(e.count ?? 1, "connection")} on demand`,
  epoch: (e) => `epoch ${e.epoch} began`,
  started: (e) => `${e.node} started`,
  stopping: (e) => `${e.node} stops`,
};

// Returns an event as a sentence without a full stop.
export function eventWords(event) {
  return SENTENCES[event.kind]?.(event) ?? `${event.node}: ${event.kind}`;
}
