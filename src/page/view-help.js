// The legend: what each shape means. The shapes are those of the timeline.

import { make, svg } from "./dom.js";
import * as shapes from "./shapes.js";

// Shapes, each as parts of [look, path] in a field of 56 by 24, and what they mean.
const SHAPES = [
  [[["solid", shapes.circle(28, 12, 6)]], "a node stored the message, or acked it"],
  [[["ring-dashed", shapes.circle(28, 12, 6)]], "a node lacks it, or stores it later by a fault"],
  [
    [
      ["line", shapes.line(4, 3, 52, 21)],
      ["solid", shapes.head(4, 3, 52, 21, 11)],
    ],
    "a frame with messages, as long as it was on its way",
  ],
  [
    [
      ["thin", shapes.line(4, 21, 52, 3)],
      ["solid", shapes.head(4, 21, 52, 3, 9)],
    ],
    "an ack on its way back",
  ],
  [
    [["lost", shapes.line(4, 3, 28, 12) + shapes.cross(28, 12, 6)]],
    "a frame that was lost on its way",
  ],
  [
    [
      ["line", shapes.line(12, 3, 52, 21)],
      ["hollow", shapes.square(12, 6, 4.5)],
    ],
    "a frame that is sent again",
  ],
  [[["alarm", shapes.hourglass(28, 12, 7)]], "a time limit passed"],
  [
    [["hollow", shapes.circle(28, 12, 6)]],
    "an answer after its time limit: it counts all the same",
  ],
  [[["hollow", shapes.doubleRing(28, 12, 7)]], "a message that the node had already"],
  [
    [
      ["held", shapes.square(28, 12, 6)],
      ["thin", shapes.line(23, 17, 33, 7)],
    ],
    "a message held back: one before it is missing",
  ],
  [[["solid", shapes.diamond(28, 12, 8)]], "the gap is closed, and what was held is stored"],
  [[["alarm", shapes.triangle(28, 13, 8)]], "an answer with an error"],
  [
    [
      ["bar", shapes.box(4, 6, 48, 12)],
      ["step", shapes.box(14, 12, 38, 6)],
      ["step", shapes.box(36, 6, 16, 6)],
    ],
    "a client that waits: its bar fills by a step with each ack",
  ],
  [[["bold", shapes.line(4, 12, 52, 12)]], "in a list: a majority has what stands above this line"],
];

const ROWS =
  "A colour and a letter stand for a node, everywhere. The same message stands in the same row of every list; hatched rows are held back.";
const KEYS =
  "Tab goes from control to control. The arrow keys go from receipt to receipt in the master's list. Enter in the field for the message appends.";

// The dialog, opened by `button`.
export class Help {
  constructor({ dialog, button }) {
    const close = make(
      "button",
      { type: "button", class: "main", on: { click: () => dialog.close() } },
      "close",
    );
    const rows = SHAPES.map(([parts, meaning]) => {
      return make("div", {}, make("dt", {}, picture(parts)), make("dd", {}, meaning));
    });
    dialog.append(
      make("h2", { id: "help-title" }, "How to read this page"),
      make("p", {}, ROWS),
      make("dl", { class: "legend" }, ...rows),
      make("p", { class: "soft" }, KEYS),
      make("p", { class: "actions" }, close),
    );
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    button.addEventListener("click", () => {
      dialog.showModal();
      close.focus();
    });
  }
}

// Returns a picture of the parts of a shape.
function picture(parts) {
  const paths = parts.map(([look, d]) => svg("path", { class: "tl-mark", "data-look": look, d }));
  return svg("svg", { viewBox: "0 0 56 24", "aria-hidden": "true" }, ...paths);
}
