// Mounts all parts of the page but the timeline and the rates, and draws them when something
// changed.

import { sendFault } from "./commands.js";
import { part } from "./dom.js";
import { themeSwitch } from "./theme.js";
import { Tour } from "./tour.js";
import { AppendView } from "./view-append.js";
import { ClusterView } from "./view-cluster.js";
import { Help } from "./view-help.js";
import { NodesView } from "./view-nodes.js";
import { ReceiptView } from "./view-receipt.js";
import { StatusView } from "./view-status.js";
import { StoryView } from "./view-story.js";
import { clockWords, leftOutWords } from "./words.js";

// Time between two drawings of how long ago a connection was lost, in milliseconds.
const TICK_MS = 1000;

// Mounts the views of `app`. `mark(ids)` marks messages on the timeline.
export function mountViews(app, { mark }) {
  const changed = () => app.changed();
  const status = new StatusView({
    connection: part("connection"),
    clock: part("clock"),
    sampling: part("sampling"),
    live: part("live"),
    now: () => performance.now(),
  });
  const say = (text) => status.say(text);
  app.say = say;
  const cluster = new ClusterView({ root: part("cluster"), who: part("who"), note: part("note") });
  const append = new AppendView({ root: part("append"), changed, say });
  const played = new StoryView({ heading: part("story"), root: part("append") });
  const receipt = new ReceiptView({
    dialog: part("receipt"),
    node: (name) => app.view.node(name),
    pick: mark,
  });
  const nodes = new NodesView({
    root: part("nodes"),
    receipt: (id, text) => receipt.open(id, text),
    command: sendFault,
    changed,
    say,
  });
  const tour = new Tour({
    panel: part("tour"),
    button: part("tour-open"),
    appends: () => append.entries(),
    command: sendFault,
    changed,
    say,
  });
  new Help({ dialog: part("help"), button: part("help-open") });
  themeSwitch(part("theme"), changed);
  app.onEvent((event) => tour.take(event));
  app.onFrame(() => tour.arrow.follow());
  app.onChange(() => {
    const { view } = app;
    const steps = view.steps();
    const mode = app.recording
      ? "recording"
      : steps.length > 0
        ? "scenario"
        : app.live
          ? "live"
          : "frozen";
    cluster.update(view, app.recording?.title ?? (mode === "scenario" ? "a scenario" : null));
    played.update(steps);
    append.update(app.live ? view : app.now, closed(view, mode, steps.length > 0), mode);
    nodes.update(view, mode);
    status.update({
      connection: connection(app),
      clock: clockWords(view.clock),
      sampling: leftOutWords(view.leftOut),
    });
    // Last: it points at where the others have put things.
    tour.update(view, mode);
  });
  setInterval(() => {
    if (app.connection.state === "lost") app.changed();
  }, TICK_MS);
}

// Returns why nothing can be appended; null: something can. A scenario shows its steps instead, and
// gives no reason: "".
function closed(view, mode, isScenario) {
  if (isScenario) return "";
  if (mode === "recording") return "This is a recording: nothing can be appended to it.";
  if (view.nodes().length > 0 && !view.master())
    return "Messages are appended on the page of the master.";
  return null;
}

// Returns the connection as StatusView shows it.
function connection({ connection: { state, detail, since }, recording, live, isOver }) {
  const now = performance.now();
  if (recording) return { kind: "recording", detail: null };
  if (isOver) return { kind: live ? "lost" : "frozen", since, now, detail: "the scenario is over" };
  if (state === "lost") return { kind: "lost", since, now, detail };
  if (!live) return { kind: "frozen", detail: null };
  return { kind: state === "open" ? "live" : "connecting", detail };
}
