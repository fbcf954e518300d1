// The legend: what each shape means. The shapes are those of the timeline.

import { make, setData, svg } from "./dom.js";
import * as shapes from "./shapes.js";
import { FIGURES } from "./view-cluster.js";
import { FAULTS, faultPhrases, INTRODUCTION, toggled } from "./words.js";

// The dotted line in which messages wait for being stored, and the edge of a bar.
const STORING = [
  ["wait", shapes.line(4, 12, 40, 12)],
  ["solid", shapes.circle(46, 12, 6)],
];
const BAR = ["bar", shapes.box(4, 6, 34, 12)];
const EDGE = shapes.line(38, 4, 38, 20);

// The part of a lane that a band covers, and the hatching and the dots in it.
const BAND = shapes.box(2, 3, 52, 18);
const HATCHING = [4, 14, 24, 34].map((x) => shapes.line(x, 21, x + 18, 3)).join("");
const DOTS = [8, 18, 28, 38, 48].map((x, at) => shapes.circle(x, at % 2 === 0 ? 8 : 16, 2)).join("");

// The color of bands, which have that of their node.
const COLOR = 0;

// Groups of shapes. A shape is its parts, as [look, path] in a field of 56 by 24, of bands with their
// kind, and what it means.
const GROUPS = {
  "A frame, from node to node": [
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
      "its answer: the ack",
    ],
    [[["lost", shapes.line(4, 3, 28, 12) + shapes.cross(28, 12, 6)]], "it was lost on its way"],
    [
      [
        ["line", shapes.line(12, 3, 52, 21)],
        ["hollow", shapes.square(12, 6, 4.5)],
      ],
      "it is sent again",
    ],
    [
      [
        ["line", shapes.line(4, 3, 40, 21)],
        ["line", shapes.line(14, 3, 50, 21)],
        ["solid", shapes.head(4, 3, 40, 21, 9) + shapes.head(14, 3, 50, 21, 9)],
      ],
      "it was sent twice by a fault",
    ],
    [
      [["dashed", shapes.line(4, 3, 52, 21)]],
      "only one side told of it; a short one: nobody knows yet whether it came",
    ],
    [[["alarm", shapes.hourglass(28, 12, 7)]], "a time limit passed"],
    [[["hollow", shapes.circle(28, 12, 6)]], "an answer after its time limit: it counts all the same"],
    [[["alarm", shapes.triangle(28, 13, 8)]], "an answer with an error"],
  ],
  "In the lists": [
    [[["bold", shapes.line(4, 12, 52, 12)]], "a majority has what stands above this line: the committed end"],
    [
      [["receipt", shapes.box(21, 3, 14, 18) + shapes.line(24, 9, 32, 9) + shapes.line(24, 15, 32, 15)]],
      "opens the receipt of a message: which nodes have it, since when",
    ],
  ],
  "On the lane of a node": [
    [[["solid", shapes.circle(28, 12, 6)]], "it stored the message, or acked it"],
    [STORING, "it took so long to store it"],
    [[["ring-dashed", shapes.circle(28, 12, 6)]], "it lacks the message, or stores it later by a fault"],
    [
      [
        ["held", shapes.square(28, 12, 6)],
        ["thin", shapes.line(23, 17, 33, 7)],
      ],
      "it holds the message back: one before it is missing",
    ],
    [[["solid", shapes.diamond(28, 12, 8)]], "the gap is closed, and what was held is stored"],
    [[["hollow", shapes.doubleRing(28, 12, 7)]], "it had the message already, or an answer came twice"],
    [
      [
        ["bold", shapes.line(20, 2, 20, 22)],
        ["alarm", shapes.line(36, 2, 36, 22)],
      ],
      "it started, joined, is ready; or something ended",
    ],
    [[["epoch", shapes.line(28, 0, 28, 24)]], "across all lanes: a new epoch"],
  ],
  "As long as something holds for a node": [
    [[["band", shapes.box(2, 9, 52, 5), "faults"]], "faults are in force"],
    [[["band", BAND, "paused"]], "it is paused"],
    [[["thin", HATCHING, "gap"]], "a gap: messages are held back"],
    [
      [["solid", DOTS, "silence"]],
      "silence: the master hears nothing of it, from its last sign of life on; a thin column was over at once",
    ],
    [[["band", BAND, "unreachable"]], "nothing is known: it cannot be reached"],
    [[["band", BAND, "read-only"]], "read-only, or its disk has a fault"],
  ],
  "A client that appends": [
    [
      [
        ["bar", shapes.box(4, 6, 48, 12)],
        ["step", shapes.box(14, 12, 38, 6)],
        ["step", shapes.box(36, 6, 16, 6)],
      ],
      "it waits: its bar fills by a step with each ack",
    ],
    [[BAR, ["bold", EDGE]], "it is answered"],
    [[BAR, ["alarm", EDGE + shapes.hourglass(47, 12, 5)]], "its time limit passed"],
    [[BAR, ["alarm", EDGE + shapes.triangle(47, 12, 5)]], "it is answered with another error"],
    [[BAR, ["alarm", shapes.slash(47, 12, 6)]], "it stopped waiting"],
    [[["bar", "M38 6H4v12H38"], ["dashed", EDGE]], "nobody told how it was answered"],
  ],
};

// The buttons that break a node, each with what it does.
const BUTTONS = [...FAULTS.map((fault) => [fault, effect(fault)]), ["heal", "all its faults end"]];

const ROWS =
  "A colour and a letter stand for a node, everywhere. The same message stands in the same row of every list; " +
  "hatched rows are held back.";
const TIME =
  "The upright line on the timeline is now or, while the page is frozen, the moment shown. A live page keeps the " +
  "last 60 s: ◂ freezes it and goes to the event before, ▸ to the next one, and what happened then stands above the " +
  "lanes. Point at a shape to read there what it is. Press a shape to mark its message, and all others fade; a " +
  "receipt has a button for that, too. In a shorter window one sees what lies close together.";
const KEYS =
  "Tab goes from control to control. The arrow keys go from receipt to receipt in the master's list. Enter in the " +
  "field for the message appends. On the timeline the arrow keys step from event to event, with Shift by a second, " +
  "Home and End go to the begin and the end of what is kept, + and − change the window, and Escape goes back to now. " +
  "Space freezes, and Escape ends the marking of messages, also where nothing has the focus.";

// The dialog, opened by `button`.
export class Help {
  constructor({ dialog, button }) {
    const close = make(
      "button",
      { type: "button", class: "main", on: { click: () => dialog.close() } },
      "close",
    );
    const groups = Object.entries(GROUPS).map(([title, rows]) =>
      make("section", {}, make("h3", {}, title), make("dl", {}, ...rows.map(row))),
    );
    dialog.append(
      make("div", { class: "head" }, make("h2", { id: "help-title" }, "How to read this page"), close),
      make("p", {}, `${INTRODUCTION} ${ROWS}`),
      make("p", {}, TIME),
      make("div", { class: "legend" }, ...groups),
      words("The figures at the top", "figure-words", FIGURES.map(([, name, meaning]) => [name, meaning])),
      words("The buttons that break a node", "button-words", BUTTONS),
      make("p", { class: "soft" }, KEYS),
    );
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    button.addEventListener("click", () => {
      dialog.showModal();
      close.focus();
      // One reads from the top.
      dialog.scrollTop = 0;
    });
  }
}

// Returns a shape and what it means.
function row([parts, meaning]) {
  return make("div", {}, make("dt", {}, picture(parts)), make("dd", {}, meaning));
}

// Returns what the button of a fault does, in the words that stand below it then.
function effect(fault) {
  const [ofSecondary, ofMaster] = [false, true].map((isMaster) =>
    faultPhrases(toggled(fault, null, isMaster)).join(", "),
  );
  if (ofSecondary === ofMaster) return `it ${ofMaster}`;
  return `a secondary ${ofSecondary}; the master ${ofMaster}`;
}

// Returns a section of names, each with what it means.
function words(title, kind, rows) {
  const list = rows.map(([name, meaning]) => make("div", {}, make("dt", {}, name), make("dd", {}, meaning)));
  return make("section", {}, make("h3", {}, title), make("dl", { class: `words ${kind}` }, ...list));
}

// Returns a picture of the parts of a shape.
function picture(parts) {
  const paths = parts.map(([look, d, kind]) => {
    const path = svg("path", { class: "tl-mark", "data-look": look, d });
    setData(path, "kind", kind);
    setData(path, "color", kind && COLOR);
    return path;
  });
  return svg("svg", { viewBox: "0 0 56 24", "aria-hidden": "true" }, ...paths);
}
