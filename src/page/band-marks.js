// What is drawn of a band: a part of its node's lane, and its words. Pure functions.

import { cutTo } from "./labels.js";

// Returns the lines on which the words of a band may stand, counted from the top of its node's part;
// the last one is at the bottom.
export function linesOf({ kind }) {
  return kind === "gap" ? [2] : [0, 1];
}

// Returns the words of a band without the reasons, which stand behind colons and are told where one
// asks for them. Of faults there are several, between commas.
function withoutReasons({ kind, text }) {
  return kind === "faults" ? text.replace(/:[^,]*/g, "") : text.split(":")[0];
}

// Returns the marks of a band: a part of the lane, and its words on a line; null: without words.
export function bandMark(band, lanes, { start, now, line }) {
  const top = lanes.top(band.node);
  if (top === null) return [];
  const x0 = Math.max(lanes.x(band.t), lanes.x(start) - lanes.rem);
  const x1 = Math.max(x0 + 2, lanes.x(band.end ?? Math.max(now, band.t)));
  const y = line === 2 ? top + lanes.pitch - 0.2 * lanes.rem : top + (1.02 + 0.85 * line) * lanes.rem;
  const isGap = band.kind === "gap";
  const y0 = isGap ? lanes.y(band.node) : top + 0.1 * lanes.rem;
  const y1 = top + lanes.pitch - 0.1 * lanes.rem;
  const height = band.kind === "faults" ? 0.22 * lanes.rem : y1 - y0;
  const tx = Math.max(x0, lanes.x(start)) + 0.3 * lanes.rem;
  // Words of what goes on may stand where it is still to come, and end with the window.
  const right = band.end === null ? lanes.x(start + lanes.span) : x1;
  const words = cutTo(isGap ? band.text : withoutReasons(band), right - tx, lanes);
  return [
    {
      key: "band",
      kind: band.kind,
      look: "band",
      node: band.node,
      color: band.node,
      t: band.t,
      box: [x0, y0, x1 - x0, height],
      words: `${band.node}: ${band.text}`,
      label: line !== null && words && { text: words, x: tx, y },
    },
  ];
}
