// The five experiments of the tour. Pure: each step says what to do and what to watch, where the
// control is, and notices by itself, from what the nodes tell, that it happened. `closer`, where there is
// one, says in the end how what was too quick for the eye is seen.
//
// A step is `{act, watch, point, waits, done, shows, mark, look, event, again}`: `act` and `watch` are
// sentences, `point` names the control as {node, fault}, the column of a node as {node}, or what to do
// in the form as {concerns, field}, see `nextInForm`, or is null where there is only something to watch;
// `waits(see)` tells whether a sender waits, whose bar is watched then; `done(see)` returns the sentence
// of what happened, or null. What shows it is `shows(see)`: {node, part} is a part of a node's column,
// {node, row} the place of a message in its list; or a mark on the timeline: `mark` is its kind, with
// `look` where marks of something else have that kind too, of `event(see)` where several nodes may have
// such marks. `again(see)`, where there is one, returns why the step before must be done once more, or
// null. `see` is a `Sight`: the nodes, the events and the appends of this page since the step began.

import { choiceFor } from "./concern-choices.js";
import { idsWords } from "./sentences.js";
import { concernNumber, durationWords, listed } from "./words.js";

// Appends with whatever write concern is chosen.
const FORM = { concerns: [] };

// Returns the experiments for a cluster: `near` and `far` are secondaries (the same where there is
// only one), `master` is its master, all by name; `size` counts the nodes.
export function experiments({ master, near, far, size }) {
  return [waits(near, size), lost(near), paused(far, size), cutOff(near, size), twice(master, size)];
}

function waits(near, size) {
  return {
    title: "A sender waits for its nodes",
    intro: `A write concern says how many nodes must have a message before its sender is answered.`,
    breaks: [near],
    steps: [
      press(near, "slow", `${near} stores each message one second late from now on.`),
      {
        act: "Append a message with write concern 1.",
        watch: `The answer comes at once. In the list of ${near} its place stays empty for a second.`,
        point: { concerns: choicesOf(1, size) },
        done: (see) => {
          const entry = see.answered((one) => one.needed === 1);
          return entry && `answered after ${durationWords(entry.tookMs)}, without waiting for ${near}.`;
        },
        shows: placeIn(near, (one) => one.needed === 1),
      },
      {
        act: `Append one with write concern ${size}: all nodes.`,
        watch:
          `Its bar on the timeline goes on, and the mark of ${near} below the form stays a dashed ring, ` +
          `until ${near} has the message.`,
        point: { concerns: choicesOf(size, size) },
        waits: (see) => see.waits((one) => one.needed === size),
        done: (see) => {
          const entry = see.answered((one) => one.needed === size);
          // The answer may come before the events that tell why.
          if (!entry || see.lacking(entry.id).length > 0) return null;
          const last = see.lastToAck(entry.id) ?? "the last node";
          return `answered after ${durationWords(entry.tookMs)}, as soon as ${last} had it.`;
        },
        mark: "acked",
      },
    ],
    why: "Only the sender that asks for a slow node waits for it. Nobody else is held up.",
  };
}

function lost(near) {
  return {
    title: "A lost frame is sent again",
    intro:
      "Networks lose frames: a frame is one message of the protocol between two nodes. The master sends until it " +
      "has the node's ack.",
    breaks: [near],
    steps: [
      press(near, "drop", `${near} now loses about one of three frames that it sends: its acks.`),
      {
        act: "Append messages, one every second or so, until a frame is lost.",
        watch:
          `An arrow from ${near} that ends half-way in a cross: ${near} has the message, and the master ` +
          "does not know.",
        point: FORM,
        ...noticed("dropped", () => "the cross is the lost frame.", (one) => one.node === near),
        mark: "lost",
        // A node that comes back without its messages has a mark of this kind, too.
        look: "lost",
      },
      {
        act: "Wait until the master gives up waiting for that ack.",
        watch: "A second arrow for the same message, a second or two later.",
        point: null,
        ...noticed(
          "resent",
          ({ ids, attempt }) => `${idsWords(ids)} went out again${attempt > 1 ? `, attempt ${attempt}` : ""}.`,
          (one) => one.peer === near && one.ids,
        ),
        // The arrow, not the square with which it begins.
        look: "line",
        again: (see) => {
          const lost = see.eventBefore((one) => one.kind === "dropped" && one.node === near);
          // The node that lost its answer does not say about which messages; their arrival does.
          const came = see.eventBefore(
            (one) => one.kind === "received" && one.node === near && one.request === lost?.request,
          );
          const covers = (one) =>
            one.kind === "acked" && one.peer === near && one.ids[1] >= came?.ids[1];
          // It may have come before the step began, where messages are appended quickly.
          return (see.event(covers) ?? see.eventBefore(covers))
            ? `A later ack of ${near} covered the lost one: an ack stands for all that is below it. Lose another.`
            : null;
        },
      },
    ],
    why: `${near} knows the message by its id, so it is stored once, however often it comes.`,
    closer: closer("again"),
  };
}

function paused(far, size) {
  // Of two nodes a majority is both.
  const concerns = size > 2 ? ["concern-1", "concern-majority"] : ["concern-1"];
  return {
    title: "A node falls silent",
    intro: "A node that hangs does not say so. The others can only notice that nothing comes.",
    breaks: [far],
    steps: [
      press(far, "pause", `${far} neither reads nor writes from now on, and nobody is told.`),
      {
        act: `Append a message with write concern ${size > 2 ? "1 or majority" : "1"}.`,
        watch: `The answer comes, and in the list of ${far} its place stays empty.`,
        point: { concerns },
        done: (see) => {
          const entry = see.answered(() => true);
          return (
            entry && see.end(far) <= entry.id && `answered, and ${far} lacks message ${entry.id}.`
          );
        },
        shows: placeIn(far, () => true),
      },
      {
        act: "Wait until the master notices the silence, if it has not yet.",
        watch:
          `After two silent heartbeats the master suspects ${far}, and counts one healthy node less; after five ` +
          "the node is unhealthy, and after ten its connection is closed.",
        point: { node: far },
        done: (see) => see.status(far) !== "healthy" && `${far} is ${see.status(far)}, says the master.`,
        mark: "silence",
      },
      {
        act: `Press heal in the column of ${far}.`,
        watch: "The missing messages come at once, and its list is whole again.",
        point: { node: far, fault: "heal" },
        done: (see) =>
          !see.faults(far)?.paused &&
          see.status(far) === "healthy" &&
          see.same(far) &&
          `${far} is healthy and has everything.`,
        mark: "stored",
      },
    ],
    why: "Silence is all that a failure shows. So it is measured, and the node is served as soon as it speaks.",
  };
}

function cutOff(near, size) {
  const fewer = Math.max(1, size - 1);
  return {
    title: "A node is cut off",
    intro: "A partition: a node lives, and nobody reaches it.",
    breaks: [near],
    steps: [
      press(near, "cut", `${near} is disconnected, and all that it sends is lost.`),
      {
        act: `Append a message with write concern ${fewer}.`,
        watch: `It is answered. The list of ${near} stays as it was: old, not wrong.`,
        point: { concerns: choicesOf(fewer, size) },
        done: (see) => {
          const entry = see.answered((one) => one.needed <= fewer);
          return (
            entry &&
            see.end(near) <= entry.id &&
            `answered without ${near}, which lacks message ${entry.id}.`
          );
        },
        shows: placeIn(near, (one) => one.needed <= fewer),
      },
      {
        act: `Append one with write concern ${size}.`,
        watch: `It waits: its bar on the timeline goes on, and the mark of ${near} stays a dashed ring.`,
        point: { concerns: choicesOf(size, size) },
        done: (see) => {
          const entry = see.waiting((one) => one.needed === size);
          return entry && `${see.lacking(entry.id)}` === near && `it waits for ${near}.`;
        },
        mark: "waits",
      },
      {
        act: `Press heal in the column of ${near}.`,
        watch: `${near} dials again, catches up, and the sender gets its answer.`,
        point: { node: near, fault: "heal" },
        done: (see) =>
          see.faults(near)?.dropRate === 0 &&
          see.same(near) &&
          !see.waits((one) => one.needed === size) &&
          "the lists are the same again.",
        mark: "ready",
      },
    ],
    why: "What a node shows is always a beginning of the master's list, so catching up is enough to converge.",
  };
}

function twice(master, size) {
  return {
    title: "Duplicates and disorder change nothing",
    intro: "Frames can come twice, and a later one before an earlier one. No list shows it.",
    breaks: [master],
    steps: [
      press(master, "duplicate", "the master now sends about every second frame twice."),
      {
        act: "Append some messages.",
        watch: "A double arrow, and a double ring at the node that had the message already.",
        point: FORM,
        ...noticed("duplicate", ({ node, ids }) => `${node} got ${idsWords(ids)} twice, and shows it once.`),
      },
      press(
        master,
        "drop",
        "the master loses some of its frames too, so a later message may come first.",
      ),
      {
        act: "Append five messages quickly with write concern 1: a letter and Enter, five times.",
        watch: "A hatched row: the message came before the one that precedes it, and is held back.",
        point: { concerns: choicesOf(1, size), field: "message" },
        ...noticed(
          "held",
          ({ node, ids, end }) => `${node} holds ${idsWords(ids)} back, because message ${end} is missing.`,
        ),
      },
      {
        act: "Wait until the missing message is sent again.",
        watch: "The hatched rows become plain, all at once.",
        point: null,
        ...noticed("gap-closed", ({ node }) => `the gap on ${node} is closed.`),
      },
    ],
    why: "A node shows and acks only what has no gap below it: the same order everywhere, each message once.",
    closer: closer("already"),
  };
}

// Returns how to see something of which the timeline tells with a `word`, where all of it took some ms.
function closer(word) {
  return (
    `To see it closely: press freeze, press ◂ until the words above the lanes say “${word}”, choose 0.1 s ` +
    "instead of 10 s, and go on with ▸. Press back to now in the end."
  );
}

// Returns the selector of the marks that may show that a step was done.
export function marksOf({ mark, look }) {
  return `.tl-svg [data-kind="${mark}"]${look === undefined ? "" : `[data-look="${look}"]`}`;
}

// Returns how a step notices an event of a kind that `fits`: what it says of it, `words(event)`, and the
// mark of the very same event.
function noticed(kind, words, fits = () => true) {
  const event = (see) => see.event((one) => one.kind === kind && fits(one));
  const done = (see) => {
    const found = event(see);
    return found && words(found);
  };
  return { done, event, mark: kind };
}

// Returns the step in which a fault button is pressed.
function press(node, fault, happened) {
  return {
    act: `Press ${fault} in the column of ${node}.`,
    watch: `The words below the buttons of ${node}.`,
    point: { node, fault },
    done: (see) => see.breaks(node, fault) && happened,
    shows: () => ({ node, part: ".in-force" }),
  };
}

// Returns how a step shows the place in the list of a node where the append that was answered, and
// `fits`, is or is not yet.
function placeIn(node, fits) {
  return (see) => ({ node, row: see.answered(fits).id });
}

// Returns the ids of the choices that are a write concern of `count` of `size` nodes, the number first.
function choicesOf(count, size) {
  const words = ["all", "majority"].filter((word) => concernNumber(word, size) === count);
  const first = choiceFor(count, words[0] ?? "other");
  return [first, ...words.map((word) => `concern-${word}`).filter((id) => id !== first)];
}

// Returns the id of the control of the form that is to be used next: the first of the choices of a
// write concern, where there are some and the `chosen` one is another; then the `field` or, without
// one, that of the message while it `isEmpty`, and the button.
export function nextInForm({ concerns, field }, { chosen, isEmpty }) {
  if (concerns.length > 0 && !concerns.includes(chosen)) return concerns[0];
  return field ?? (isEmpty ? "message" : "append-button");
}

// Returns why the tour cannot be taken, or null. `mode` is "live", "recording" or "scenario".
export function hindrance({ mode, master, secondaries, faultsOff }) {
  if (mode === "recording") return "A recording cannot be broken. Close it for the tour.";
  if (mode === "scenario") return "A scenario plays here. Open the page of a node for the tour.";
  if (!master) return "The tour needs the master's page: this one shows a secondary alone.";
  if (faultsOff.length > 0) {
    const verb = faultsOff.length === 1 ? "does" : "do";
    const why = `The tour injects faults, and ${listed(faultsOff)} ${verb} not allow it.`;
    return `${why} Start the nodes with --allow-faults.`;
  }
  if (secondaries.length === 0) {
    return "The tour needs a secondary, and there is none. Start one.";
  }
  return null;
}
