// Puts the page together.

import { App } from "./app.js";
import { part } from "./dom.js";
import { RatesChart } from "./rates.js";
import { TimeControls } from "./time-controls.js";
import { Timeline } from "./timeline.js";
import { mountViews } from "./views.js";

// Whether the user asks for less motion.
const STILL = window.matchMedia("(prefers-reduced-motion: reduce)");

const app = new App({ isStill: () => STILL.matches });
const timeline = new Timeline(part("timeline"), {
  onPick: (ids) => app.select(ids),
  onResize: () => app.changed(),
});
const rates = new RatesChart(part("rates"));
const controls = new TimeControls({
  root: part("timeline-controls"),
  freeze: part("freeze"),
  save: part("save"),
  open: part("open"),
  file: part("open-file"),
  app,
  timeline,
});

app.onChange(() => {
  controls.update();
  timeline.pick(app.selected);
});
app.onFrame((now, isChanged) => {
  const { model, t, live, view } = app;
  const isMoving = live || app.rate > 0;
  const isRecording = app.recording !== null;
  timeline.draw({ model, t, isLive: live, isMoving, nodes: view.lanes(), range: app.range, isRecording });
  rates.draw(model, t, { now, isChanged });
});
mountViews(app, { mark: (ids) => controls.mark(ids) });
app.start();
// All scripts are there, and run.
part("unloaded").remove();
