// What the timeline is drawn on: the names and lines of the lanes, and the axis of time.

import { svg } from "./dom.js";
import { timeWords } from "./sentences.js";
import { SECOND } from "./timed.js";
import { shown } from "./words.js";

// Returns what stands still: the names and lines of the lanes.
export function stillParts(lanes, nodes) {
  const { rem, left, right } = lanes;
  const parts = [];
  const middle = lanes.sendersTop + lanes.sendersHeight / 2;
  parts.push(svg("text", { class: "tl-lane-name", x: 0, y: middle + 0.35 * rem }, "senders"));
  for (const { name, letter, color, isElsewhere } of nodes) {
    const y = lanes.y(name);
    parts.push(
      svg("line", {
        class: isElsewhere ? "tl-lane tl-elsewhere" : "tl-lane",
        "data-color": color,
        x1: left,
        x2: right,
        y1: y,
        y2: y,
      }),
    );
    const r = 0.72 * rem;
    parts.push(svg("circle", { class: "tl-disc", "data-color": color, cx: r, cy: y, r }));
    parts.push(svg("text", { class: "tl-letter", x: r, y: y + 0.27 * rem }, letter));
    const text = svg("text", { class: "tl-lane-name", "data-color": color, x: 1.9 * rem, y: y + 0.35 * rem });
    text.textContent = shown(name, 9);
    text.append(svg("title"));
    text.lastChild.textContent = shown(name);
    parts.push(text);
  }
  parts.push(svg("line", { class: "tl-axis", x1: left, x2: right, y1: lanes.axis, y2: lanes.axis }));
  return parts;
}

// Returns the lines and times of the axis.
export function tickParts(lanes, start, isVirtual) {
  const step = lanes.span > 12_000_000 ? 5_000_000 : 10 ** Math.floor(Math.log10(lanes.span / 5));
  const decimals = Math.max(0, 6 - Math.round(Math.log10(step)));
  const parts = [];
  for (let t = Math.ceil(start / step) * step; t <= start + lanes.span; t += step) {
    const x = lanes.x(t).toFixed(1);
    parts.push(svg("line", { class: "tl-tick", x1: x, x2: x, y1: lanes.sendersTop, y2: lanes.axis + 4 }));
    // At the ends there is no room for a time round its line.
    const isEnd = lanes.x(t) > lanes.x(start + lanes.span) - 2 * lanes.rem;
    if (isEnd) continue;
    const isBegin = lanes.x(t) < lanes.x(start) + 2 * lanes.rem;
    const text = isVirtual
      ? `${(t / SECOND).toFixed(decimals)} s`
      : timeWords(t).slice(0, decimals > 0 ? 9 + decimals : 8);
    // Beside its line it may reach to the next one.
    if (isBegin && lanes.x(t + step) - lanes.x(t) < 0.7 * text.length * lanes.rem) continue;
    const anchor = isBegin ? "start" : "middle";
    parts.push(
      svg("text", { class: "tl-time", x, y: lanes.axis + 1.2 * lanes.rem, "text-anchor": anchor }, text),
    );
  }
  return parts;
}
