// The arrow of the tour: stands beside what is pointed at, and never on another control.

import { make, setData, show } from "./dom.js";

// The sizes of the arrow, the best one first: where it begins and ends, counted from what it points
// at, and half of its width, in rem. See parts.css.
const SIZES = {
  large: { from: 0.6, to: 2.6, half: 0.8 },
  small: { from: 0.45, to: 1.45, half: 0.6 },
};

// Where it may stand, the best place first. Those above and below are large where that is possible;
// beside a control there is room between columns alone.
const PLACES = [
  ["above", "large"],
  ["above", "small"],
  ["below", "large"],
  ["below", "small"],
  ["right", "small"],
  ["left", "small"],
];

// What it never covers: all controls, and the appends, which are watched.
const KEPT_FREE = ".page :is(button, input, select, a, .appends li)";

// Words, which it leaves free where there is another place for it.
const WORDS =
  '.page :is(label, h3, .state, .in-force:not(:empty), li[data-state="shown"] bdi, .tl-told p, .tl-label, .tl-time)';

// Parts of the page that are scrolled by themselves.
const FRAMES = ".columns, .appends";

// Returns the box of an arrow at a side of a box.
function boxAt(side, { from, to, half }, { left, top, right, bottom }, rem) {
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  const [near, far, wide] = [from * rem, to * rem, half * rem];
  if (side === "above") return { left: x - wide, right: x + wide, top: top - far, bottom: top - near };
  if (side === "below") return { left: x - wide, right: x + wide, top: bottom + near, bottom: bottom + far };
  const across = { top: y - wide, bottom: y + wide };
  if (side === "right") return { ...across, left: right + near, right: right + far };
  return { ...across, left: left - far, right: left - near };
}

function areApart(one, other) {
  return (
    one.right <= other.left || one.left >= other.right || one.bottom <= other.top || one.top >= other.bottom
  );
}

// Returns where the arrow stands that points at a box, as `{side, size}`: within the window, on none of
// the `others`, which are boxes too, and, if possible, on none of the `words`; null: there is no such
// place.
export function placeOf(box, { others, words = [] }, window, rem) {
  let second = null;
  for (const [side, size] of PLACES) {
    const arrow = boxAt(side, SIZES[size], box, rem);
    const isInside =
      arrow.left >= 0 && arrow.top >= 0 && arrow.right <= window.width && arrow.bottom <= window.height;
    const isFree = (boxes) => boxes.every((other) => areApart(arrow, other));
    if (!isInside || !isFree(others)) continue;
    if (isFree(words)) return { side, size };
    second ??= { side, size };
  }
  return second;
}

// Returns the mark that ends last on the timeline, of an event where one is given; null: there is none.
export function newestMark(marks, event) {
  let [latest, right] = [null, -Infinity];
  for (const mark of marks) {
    if (event && !isOf(mark, event)) continue;
    const box = mark.getBoundingClientRect();
    const window = mark.ownerSVGElement.getBoundingClientRect();
    const isShown = box.width + box.height > 0 && box.left >= window.left && box.right <= window.right;
    if (isShown && box.right > right) [latest, right] = [mark, box.right];
  }
  return latest;
}

// Returns whether a mark is of an event: it has all that the event tells. The node that loses an answer
// does not tell of which messages.
function isOf({ dataset }, { node, peer, ids, request }) {
  const told = { node, peer, ids: ids?.join("-"), request: request?.toString() };
  return Object.keys(told).every((name) => told[name] === undefined || dataset[name] === told[name]);
}

// Returns whether a box lies in the window, and not below the panel.
function isInSight({ top, bottom, left, width, height }, panel) {
  const isCovered = left >= panel.left && bottom > panel.top;
  return width + height > 0 && top > 0 && bottom < innerHeight && !isCovered;
}

// The arrow, and the frame round what it points at. What lies below `panel` is not pointed at.
export class Arrow {
  #panel;
  #target = null;
  // Where it stands, as `placeOf` returns it, and the box of the panel then.
  #place = null;
  #covered = null;
  #element = make("div", { class: "pointer", "aria-hidden": "true", hidden: true });

  constructor(panel) {
    this.#panel = panel;
    document.body.append(this.#element);
    addEventListener("scroll", () => this.#choose(), { passive: true, capture: true });
    addEventListener("resize", () => this.#choose());
  }

  // Points at an element, and brings it in sight where it is out of sight; null: at nothing. To be
  // called when the page changed, too: controls may be where there were none.
  point(target) {
    const isOther = this.#target !== target;
    if (isOther) {
      if (this.#target) delete this.#target.dataset.pointed;
      if (target) target.dataset.pointed = "";
      this.#target = target;
    }
    if (!target) return void show(this.#element, false);
    // What is in sight stays where it is: the mouse may be on it.
    if (isOther && !this.#isSeen()) {
      // Of a mark the whole timeline: its frame must not be scrolled.
      (target.ownerSVGElement ?? target).scrollIntoView({ block: "nearest" });
    }
    this.#choose();
  }

  // Whether the target is in sight, also where a part of the page is scrolled by itself.
  #isSeen() {
    const box = this.#target.getBoundingClientRect();
    const frame = this.#target.closest(FRAMES)?.getBoundingClientRect();
    const isCut = frame && (box.left < frame.left || box.right > frame.right || box.bottom > frame.bottom);
    return !isCut && isInSight(box, this.#panel.getBoundingClientRect());
  }

  // Keeps the arrow at a mark, which may move each frame. Controls move when the page changes. Nothing
  // else is measured: that makes the browser lay out the page.
  follow() {
    if (this.#target?.ownerSVGElement) this.#move(this.#target.getBoundingClientRect());
  }

  // Chooses where it stands. Where it would stand on a control, there is the frame alone.
  #choose() {
    if (!this.#target) return;
    const box = this.#target.getBoundingClientRect();
    this.#covered = this.#panel.getBoundingClientRect();
    this.#place = isInSight(box, this.#covered) ? this.#placeAt(box) : null;
    this.#move(box);
  }

  // Moves it to a box, at the side that was chosen.
  #move(box) {
    const isShown = this.#place !== null && isInSight(box, this.#covered);
    show(this.#element, isShown);
    if (!isShown) return;
    const { side, size } = this.#place;
    setData(this.#element, "side", side);
    setData(this.#element, "size", size);
    const x = { left: box.left, right: box.right }[side] ?? box.left + box.width / 2;
    const y = { above: box.top, below: box.bottom }[side] ?? box.top + box.height / 2;
    this.#element.style.setProperty("left", `${x}px`);
    this.#element.style.setProperty("top", `${y}px`);
  }

  #placeAt(box) {
    const boxesOf = (selector) =>
      [...document.querySelectorAll(selector)]
        .filter((other) => !this.#target.contains(other))
        .map((element) => element.getBoundingClientRect());
    const others = [this.#covered, ...boxesOf(KEPT_FREE)];
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const window = { width: innerWidth, height: innerHeight };
    return placeOf(box, { others, words: boxesOf(WORDS) }, window, rem);
  }
}
