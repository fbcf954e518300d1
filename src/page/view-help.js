// The legend: what each shape means. Drawn by the same style sheet as the timeline.

import { make } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

// The shapes, each as the elements that draw it in a field of 56 by 24, and what they mean.
const SHAPES = [
  [[circle(28, 12, 7, "full")], "A disc: a node has the message, durably, or acked it."],
  [[circle(28, 12, 7, "dashed")], "A dashed ring: the node lacks it, or its ack has not come yet."],
  [[line(4, 4, 52, 20), arrow(52, 20)], "An arrow: a frame from one node to another. It is as long as its way took."],
  [[line(4, 4, 28, 12), cross(28, 12)], "A cross: the frame was lost on its way."],
  [[circle(28, 12, 7, "hollow")], "A hollow ring: the answer came after its time limit. It counts all the same."],
  [[circle(28, 12, 8, "hollow"), circle(28, 12, 4, "hollow")], "A double ring: the node had the message already."],
  [[rect(4, 5, 48, 14, "hatched"), ...hatches()], "Hatched: the message is held back above a gap, since one before it is missing."],
  [[rect(4, 7, 48, 10, "empty"), rect(4, 7, 30, 10, "full")], "A bar: a client that appends. It fills to its write concern as acks come."],
  [[line(4, 12, 52, 12, "thick")], "A thick line in a list: the committed end. A majority has what stands above it."],
];

const ROWS = "A colour and a letter stand for a node, everywhere. The same message stands in the same row of every list.";
const KEYS = "Tab goes from control to control; the arrow keys go from receipt to receipt in the master's list, and from one write concern to the next. Enter in the message field appends.";

// The dialog, opened by `button`.
export class Help {
  constructor({ dialog, button }) {
    const close = make("button", { type: "button", class: "main", on: { click: () => dialog.close() } }, "close");
    const rows = SHAPES.flatMap(([shapes, meaning]) => {
      return [make("dt", {}, picture(shapes)), make("dd", {}, meaning)];
    });
    dialog.append(make("h2", { id: "help-title" }, "How to read this page"), make("p", {}, ROWS),
      make("dl", { class: "legend" }, ...rows), make("p", { class: "soft" }, KEYS),
      make("p", { class: "actions" }, close));
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    button.addEventListener("click", () => {
      dialog.showModal();
      close.focus();
    });
  }
}

function circle(cx, cy, r, look) {
  return ["circle", { cx, cy, r, class: look }];
}

function rect(x, y, width, height, look) {
  return ["rect", { x, y, width, height, class: look }];
}

function line(x1, y1, x2, y2, look = "line") {
  return ["line", { x1, y1, x2, y2, class: look }];
}

function arrow(x, y) {
  return ["path", { d: `M${x - 10} ${y - 7} L${x} ${y} L${x - 12} ${y}`, class: "line" }];
}

function cross(x, y) {
  return ["path", { d: `M${x - 5} ${y - 5} l10 10 m0 -10 l-10 10`, class: "thick" }];
}

function hatches() {
  return [0, 1, 2, 3, 4].map((at) => line(8 + at * 9, 19, 20 + at * 9, 5));
}

// Returns a picture of shapes.
function picture(shapes) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 56 24");
  svg.setAttribute("aria-hidden", "true");
  for (const [tag, attributes] of shapes) {
    const shape = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    svg.append(shape);
  }
  return svg;
}
