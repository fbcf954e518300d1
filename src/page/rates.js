// Appends, events and waiting clients of the last minute, as three small charts on a canvas.

import { make, setText } from "./dom.js";
import { ceiling } from "./rate-counts.js";
import { isDark, tokenColor } from "./theme.js";
import { SECOND } from "./timed.js";

// Seconds that are shown.
const SECONDS = 60;

// Time between two drawings, in milliseconds: the values are those of whole seconds.
const EVERY_MS = 1000;

const CHARTS = [
  { name: "appends/s", of: ({ appends }) => appends, color: "--node-0" },
  { name: "events/s", of: ({ events }) => events, color: "--ink-2" },
  { name: "waiting senders", of: ({ waiting }) => waiting, color: "--wait" },
];

export class RatesChart {
  #canvas = make("canvas", { class: "rt-canvas", role: "img" });
  #text = make("p", { class: "unseen" });
  #drawnAt = -Infinity;
  #drawn = "";

  constructor(root) {
    root.append(this.#canvas, this.#text);
  }

  // Draws the minute before `t`. `now`: milliseconds, by which it draws at most once a second, and at
  // once where somebody did something: `isChanged`.
  draw(model, t, { now, isChanged }) {
    if (!isChanged && now - this.#drawnAt < EVERY_MS) return;
    this.#drawnAt = now;
    const second = Math.floor(t / SECOND);
    const series = model.rates.series(t, SECONDS);
    const ratio = globalThis.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.#canvas;
    const key = `${second} ${clientWidth} ${clientHeight} ${ratio} ${isDark()} ${JSON.stringify(series.at(-1))}`;
    if (key === this.#drawn || clientWidth === 0) return;
    this.#drawn = key;
    const [wide, tall] = [clientWidth, clientHeight].map((length) => Math.round(length * ratio));
    // A canvas of another size is a new one, which costs more than all that is drawn on it.
    if (this.#canvas.width !== wide) this.#canvas.width = wide;
    if (this.#canvas.height !== tall) this.#canvas.height = tall;
    const context = this.#canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, clientWidth, clientHeight);
    const gap = 32;
    const width = (clientWidth - gap * (CHARTS.length - 1)) / CHARTS.length;
    CHARTS.forEach((chart, index) =>
      drawChart(context, chart, series, index * (width + gap), width, clientHeight),
    );
    const words = CHARTS.map(
      (chart) => `${chart.name}: ${latest(series, chart)}, at most ${most(series, chart)}`,
    );
    this.#canvas.setAttribute("aria-label", `rates of the last minute. ${words.join(". ")}.`);
    setText(this.#text, words.join(". "));
  }
}

function values(series, { of }) {
  return series.map((second) => (second === null ? null : of(second)));
}

function latest(series, chart) {
  return values(series, chart).findLast((value) => value !== null) ?? 0;
}

function most(series, chart) {
  return Math.max(0, ...values(series, chart));
}

function drawChart(context, chart, series, left, width, height) {
  const font = getComputedStyle(document.body).fontFamily;
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const top = rem * 1.9;
  const bottom = height - 2;
  const limit = ceiling(most(series, chart));
  context.font = `600 ${rem * 1.2}px ${font}`;
  context.fillStyle = tokenColor("--ink");
  const value = latest(series, chart).toLocaleString("en");
  context.fillText(value, left, rem * 1.2);
  const after = context.measureText(value).width;
  context.font = `${rem * 0.8333}px ${font}`;
  context.fillStyle = tokenColor("--ink-3");
  context.fillText(chart.name, left + after + rem * 0.4, rem * 1.2);
  const scale = limit.toLocaleString("en");
  context.fillText(scale, left + width - context.measureText(scale).width, rem * 1.2);
  context.strokeStyle = tokenColor("--rule");
  context.lineWidth = 1;
  for (const y of [top, bottom]) {
    context.beginPath();
    context.moveTo(left, Math.round(y) + 0.5);
    context.lineTo(left + width, Math.round(y) + 0.5);
    context.stroke();
  }
  context.fillStyle = tokenColor(chart.color);
  const column = width / SECONDS;
  values(series, chart).forEach((count, index) => {
    if (!count) return;
    const tall = Math.max(1, ((bottom - top) * count) / limit);
    context.fillRect(left + index * column, bottom - tall, Math.max(1, column - 1), tall);
  });
}
