// The elements of the timeline: makes them, changes only what differs, and tells what they are.

import { make, setAttribute, setText, svg } from "./dom.js";
import { stillParts, tickParts } from "./scenery.js";
import { eventWords, inOrder, timeWords } from "./sentences.js";
import { textWidths } from "./text-width.js";
import { shown } from "./words.js";

// Layers from back to front, and the looks that each holds.
const LAYERS = {
  bands: ["band", "epoch"],
  frames: ["line", "thin", "dashed", "wait"],
  bars: ["step", "bar"],
  points: ["solid", "hollow", "held", "ring-dashed", "bold", "alarm", "lost"],
};
const LAYER_OF = new Map(
  Object.entries(LAYERS).flatMap(([layer, looks]) => looks.map((look) => [look, layer])),
);

// Bands and looks that are hatched in the color of their node.
const HATCHED = new Set(["gap", "silence", "held"]);

// Places round the pointer at which a mark is looked for, in pixels: lines are thin.
const BESIDE = [0, 2, -2, 5, -5].flatMap((dx) => [0, 3, -3].map((dy) => [dx, dy]));

// The longest text of a fact, in characters: details come from elsewhere.
const LONGEST_FACT = 200;

// Most facts that are told of a step. More: they have no room in a line or two. Fewer: one has to make the
// window shorter more often.
const MOST_FACTS = 4;

// What stands where facts are told, while there are none.
const HINT =
  "Point at a shape to read here what it is; press it to mark its message. ◂ and ▸, or the keys ← and → on the " +
  "timeline, step from event to event. A live page keeps 60 s.";

export class Stage {
  #root;
  #layers = {};
  #layer;
  #still;
  #ticks;
  #defs;
  #clip;
  #future;
  #hand;
  #facts;
  #left;
  // Thing to key to `{element, label, mark}`.
  #shown = new Map();
  #marks = new WeakMap();
  #density = new Map();
  #colors = new Map();
  #picked = null;
  #isVirtual = false;
  #onPick;
  // The mark that was told last.
  #pointed = null;
  #current = [];
  // The moment whose marks stand out; null: none.
  #at = null;
  names = [];
  count = 0;

  // `root` gets the picture. `onPick(ids)` is called when a mark is clicked, `onResize()` when the
  // size is another.
  constructor(root, { onPick, onResize }) {
    this.#root = root;
    this.#onPick = onPick;
    const measure = () => {
      this.#measure();
      onResize();
    };
    new ResizeObserver(measure).observe(root);
    window.addEventListener("resize", measure);
    this.#defs = svg("defs");
    this.#clip = svg("rect");
    this.#still = svg("g");
    this.#layer = svg("g");
    this.#ticks = svg("g", { class: "tl-ticks" });
    this.#layer.append(this.#ticks);
    for (const name of ["bands", "density", "frames", "bars", "points", "labels"]) {
      this.#layers[name] = svg("g", { class: `tl-${name}` });
      this.#layer.append(this.#layers[name]);
    }
    this.#future = svg("rect", { class: "tl-future", visibility: "hidden" });
    const clipped = svg("g", { "clip-path": "url(#tl-clip)" }, this.#layer, this.#future);
    this.#defs.append(svg("clipPath", { id: "tl-clip" }, this.#clip));
    this.svg = svg("svg", {
      class: "tl-svg",
      role: "group",
      "aria-label": "timeline",
      tabindex: "0",
      "aria-describedby": "tl-help",
    });
    this.svg.append(this.#defs, this.#still, clipped);
    this.#hand = make("div", { class: "tl-hand", "aria-hidden": "true" });
    this.#facts = make("p", { class: "tl-facts", "aria-live": "polite" });
    const told = make("div", { class: "tl-told" }, this.#facts, make("p", { class: "soft" }, HINT));
    this.#left = make("p", { class: "tl-left" });
    const help = make(
      "p",
      { class: "unseen", id: "tl-help" },
      "Arrow keys step from event to event, and with shift by a second. Home and end go to the begin and the end of " +
        "what is kept. Space freezes, plus and minus change the window. Escape ends the marking of messages, then " +
        "goes back to now. The facts of a step stand above.",
    );
    root.append(told, make("div", { class: "tl-frame" }, this.svg, this.#hand), this.#left, help);
    this.#listen();
  }

  // The width of the timeline, the size of its type and the height of the window, in pixels, and how
  // wide words are. Reading them makes the browser lay out the page, so they are read when they may be
  // others.
  size = { width: 0, rem: 16, tall: 0, textWidth: null };

  #measure() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const textWidth = this.size.textWidth ?? textWidths(this.#fonts(rem));
    this.size = { width: Math.floor(this.#root.clientWidth), rem, tall: window.innerHeight, textWidth };
  }

  // Returns the fonts of words, as the style sheet has them: see `textWidths`.
  #fonts(rem) {
    const fontOf = (look) => {
      const text = svg("text", { class: `tl-label tl-label-${look}` });
      this.#layers.labels.append(text);
      const { fontSize, fontWeight, fontFamily } = getComputedStyle(text);
      text.remove();
      return { size: parseFloat(fontSize) / rem, weight: fontWeight, family: fontFamily };
    };
    return { plain: fontOf("solid"), bold: fontOf("bar") };
  }

  // Begins an empty picture.
  begin(lanes, nodes, start, isVirtual) {
    this.names = nodes.map(({ name }) => name);
    this.#colors = new Map(nodes.map(({ name, color }) => [name, String(color)]));
    this.#isVirtual = isVirtual;
    this.#shown.clear();
    this.#density.clear();
    this.#current = [];
    this.count = 0;
    for (const layer of Object.values(this.#layers)) layer.replaceChildren();
    const { width, height, left } = lanes;
    const size = { width, height, viewBox: `0 0 ${width} ${height}` };
    for (const [name, value] of Object.entries(size)) this.svg.setAttribute(name, value);
    for (const [name, value] of Object.entries({ x: left, y: 0, width: width - left, height }))
      this.#clip.setAttribute(name, value);
    this.#patterns(nodes);
    this.#still.replaceChildren(...stillParts(lanes, nodes));
    this.#future.setAttribute("height", lanes.axis);
    this.#future.setAttribute("width", width);
    this.turn(0, lanes, start, isVirtual);
  }

  // Moves the picture by `shift` pixels, for a window that begins at `start`.
  turn(shift, lanes, start, isVirtual) {
    this.#layer.setAttribute("transform", `translate(${shift.toFixed(1)} 0)`);
    this.#ticks.replaceChildren(...tickParts(lanes, start, isVirtual));
  }

  // Shows the marks of a thing instead of those that it had.
  show(thing, marks) {
    let parts = this.#shown.get(thing);
    if (parts === undefined) this.#shown.set(thing, (parts = new Map()));
    const gone = parts.size > 0 ? new Set(parts.keys()) : null;
    for (const mark of marks) {
      gone?.delete(mark.key);
      const part = parts.get(mark.key);
      if (part === undefined) parts.set(mark.key, this.#add(mark));
      else this.#change(part, mark);
    }
    for (const key of gone ?? []) {
      this.#drop(parts.get(key));
      parts.delete(key);
    }
  }

  remove(thing) {
    for (const part of this.#shown.get(thing)?.values() ?? []) this.#drop(part);
    this.#shown.delete(thing);
  }

  // Shows the density of a lane; that of the clients is "".
  showDensity(lane, d, sum) {
    let element = this.#density.get(lane);
    if (element === undefined) {
      element = svg("path", { class: "tl-density", "data-kind": "density" });
      if (lane !== "") {
        element.setAttribute("data-node", lane);
        element.setAttribute("data-color", this.#colors.get(lane));
      }
      this.#density.set(lane, element);
      this.#layers.density.append(element);
    }
    element.setAttribute("d", d);
    this.#marks.set(element, { words: `${sum} messages that are not drawn one by one`, t: null });
  }

  // Moves the hand, which is at the moment shown, to a place. `future`: whether what comes after it is
  // faint ("known") or hidden ("unknown"); null: there is none.
  setHand(x, lanes, future) {
    this.#hand.style.transform = `translateX(${x.toFixed(1)}px)`;
    this.#hand.style.height = `${lanes.axis}px`;
    this.#future.setAttribute("visibility", future === null ? "hidden" : "visible");
    if (future === null) return;
    this.#future.setAttribute("x", x.toFixed(1));
    this.#future.setAttribute("data-future", future);
  }

  // Says what is not drawn.
  setLeft(text) {
    setText(this.#left, text);
  }

  // Marks what happened at `t` and at most `near` before it, and tells it in order, or what `quiet(t)`
  // says where there is nothing; null: time goes on.
  setNow(t, near, quiet) {
    if (t === this.#at) return;
    this.#at = t;
    for (const element of this.#current) element.classList.remove("tl-now");
    this.#current = [];
    if (t === null) return void this.#setFacts("");
    const marks = [];
    for (const { element, mark } of this.#parts()) {
      if (mark.look === "band" || mark.t > t || mark.t < t - near) continue;
      element.classList.add("tl-now");
      this.#current.push(element);
      marks.push(mark);
    }
    const facts = marks.sort(inOrder).flatMap((mark) => this.#words({ ...mark, words: mark.begins ?? mark.words }));
    const different = [...new Set(facts)];
    const told = different.slice(0, MOST_FACTS);
    if (different.length > told.length) told.push(`and ${different.length - told.length} more`);
    this.#setFacts(`${timeWords(t, this.#isVirtual)}  ${told.join("; ") || quiet(t)}`);
  }

  // Tells facts; what has no room stands beside the pointer.
  #setFacts(text) {
    setText(this.#facts, text);
    setAttribute(this.#facts, "title", text || null);
  }

  // Returns the times of all marks.
  times() {
    return [...this.#parts()].filter(({ mark }) => mark.look !== "band").map(({ mark }) => mark.t);
  }

  // Lets the marks of messages `[first, end)` stand out; null: none.
  pick(ids) {
    if (ids === this.#picked) return;
    this.#picked = ids;
    this.svg.classList.toggle("tl-picking", ids !== null);
    for (const { element, mark } of this.#parts()) this.#setPicked(element, mark);
  }

  #setPicked(element, { ids }) {
    const picked = this.#picked;
    element.classList.toggle("tl-picked", Boolean(picked && ids && ids[0] < picked[1] && ids[1] > picked[0]));
  }

  *#parts() {
    for (const parts of this.#shown.values()) yield* parts.values();
  }

  #add(mark) {
    const element = svg(mark.box ? "rect" : "path", { class: "tl-mark" });
    const part = { element, label: null, mark: {} };
    this.#change(part, mark);
    this.#layers[LAYER_OF.get(mark.look)].append(element);
    this.count += 1;
    if (this.#picked) this.#setPicked(element, mark);
    return part;
  }

  #drop({ element, label }) {
    element.remove();
    label?.remove();
    this.count -= 1;
  }

  #change(part, mark) {
    const { element, mark: before } = part;
    const set = (name, value, old) => {
      if (value === old) return;
      if (value === null || value === undefined) element.removeAttribute(name);
      else element.setAttribute(name, value);
    };
    set("data-kind", mark.kind, before.kind);
    set("data-look", mark.look, before.look);
    set("data-node", mark.node, before.node);
    set("data-peer", mark.peer, before.peer);
    set("data-request", mark.request, before.request);
    set("data-state", mark.state, before.state);
    if (mark.ids !== before.ids) set("data-ids", mark.ids ? mark.ids.join("-") : null);
    if (mark.color !== before.color) set("data-color", this.#colors.get(mark.color));
    const hatched = mark.look === "band" ? mark.kind : mark.look;
    if (HATCHED.has(hatched) && part.hatched !== hatched) {
      element.style.fill = `url(#tl-${hatched}-${this.#colors.get(mark.color)})`;
      part.hatched = hatched;
    }
    set("d", mark.d, before.d);
    if (mark.box) {
      ["x", "y", "width", "height"].forEach((name, index) =>
        set(name, mark.box[index].toFixed(1), part.box?.[index]),
      );
      part.box = mark.box.map((number) => number.toFixed(1));
    }
    this.#setLabel(part, mark);
    part.mark = mark;
    this.#marks.set(element, mark);
  }

  #setLabel(part, { label, look }) {
    if (!label) {
      part.label?.remove();
      part.label = null;
      return;
    }
    if (part.label === null) {
      part.label = svg("text", { class: `tl-label tl-label-${look}` });
      this.#layers.labels.append(part.label);
    }
    setText(part.label, shown(label.text, LONGEST_FACT));
    part.label.setAttribute("x", label.x.toFixed(1));
    part.label.setAttribute("y", label.y.toFixed(1));
    part.label.setAttribute("text-anchor", label.anchor ?? "start");
  }

  #words({ words, events }) {
    const texts = words ? [words] : events.filter(Boolean).map(eventWords);
    return texts.map((text) => shown(text, LONGEST_FACT));
  }

  #listen() {
    this.svg.addEventListener("pointermove", (event) => {
      const element = this.#elementAt(event);
      if (element !== null && element !== this.#pointed) this.#tell(element);
      this.#pointed = element;
    });
    this.svg.addEventListener("click", (event) => {
      const element = this.#elementAt(event);
      this.#onPick(element && (this.#marks.get(element).ids ?? null));
    });
  }

  // Tells what a mark is, above the timeline and beside the pointer.
  #tell(element) {
    const mark = this.#marks.get(element);
    const at = mark.t === null ? "" : `${timeWords(mark.t, this.#isVirtual)}  `;
    const text = at + this.#words(mark).join("; ");
    this.#setFacts(text);
    let title = element.firstElementChild;
    if (title === null) element.append((title = svg("title")));
    setText(title, text);
  }

  // Returns the mark at the pointer or some pixels beside it, a band only where no other one is; null:
  // there is none.
  #elementAt({ clientX, clientY }) {
    let band = null;
    for (const [dx, dy] of BESIDE) {
      const element = document.elementFromPoint(clientX + dx, clientY + dy);
      const mark = this.#marks.get(element);
      if (mark && mark.look !== "band") return element;
      if (mark) band ??= element;
    }
    return band;
  }

  // Makes the hatchings of held messages and gaps, one for each color.
  #patterns(nodes) {
    for (const old of this.#defs.querySelectorAll("pattern")) old.remove();
    for (const { color } of nodes) {
      for (const [name, size, d] of [
        ["gap", 7, "M-2 9L9 -2M5 9L9 5M-2 2L2 -2"],
        ["held", 3.5, "M-1 4.5L4.5 -1"],
        ["silence", 12, "M3 3h0.01M9 9h0.01"],
      ]) {
        const attributes = {
          id: `tl-${name}-${color}`,
          width: size,
          height: size,
          patternUnits: "userSpaceOnUse",
        };
        this.#defs.append(
          svg("pattern", attributes, svg("path", { d, class: `tl-hatch-${name}`, "data-color": color })),
        );
      }
    }
  }
}
