// The story of a scenario that is played or recorded: its heading below the head of the page, and
// the steps of the part beside the lists.

import { keyed, make, setData, setText, show } from "./dom.js";
import { story } from "./story.js";
import { shown } from "./words.js";

// Longest text of a step, in characters. A line of a scenario is not longer.
const STEP_CHARACTERS = 200;

const STATES = { waits: "next", begins: "now", done: "done", broken: "not as expected" };

export class StoryView {
  constructor({ heading, root }) {
    this.heading = heading;
    this.rows = new Map();
    this.list = make("ol", { class: "story", "aria-label": "steps of the scenario", hidden: true });
    root.append(this.list);
  }

  // Draws the steps that were told so far.
  update(told) {
    const { heading, moral, steps } = story(told);
    show(this.heading, heading !== null);
    setText(this.heading, shown(heading ?? "", STEP_CHARACTERS));
    setData(this.heading, "moral", moral ? "true" : null);
    show(this.list, steps.length > 0);
    // Lines can be played again, so they are told apart by their place.
    keyed(
      this.list,
      this.rows,
      steps.map((_, at) => at),
      () => {
        return make(
          "li",
          {},
          make("span", { class: "unseen" }),
          make("span"),
          make("p", {}),
          make("p", { class: "alarm" }),
        );
      },
    );
    steps.forEach((step, at) => this.#draw(this.rows.get(at), step));
    const newest = steps.length > 0 ? `${steps.length} ${steps.at(-1).line}` : "";
    if (newest === this.newest) return;
    this.newest = newest;
    this.list.scrollTop = this.list.scrollHeight;
  }

  #draw(row, { text, state, seen }) {
    const [told, words, hint, instead] = row.children;
    setData(row, "state", state);
    setText(told, `${STATES[state] ?? state}: `);
    setText(words, shown(text, STEP_CHARACTERS));
    setText(hint, state === "waits" ? "Waits for Enter in the terminal." : "");
    setText(instead, seen ? `Seen instead: ${shown(seen, STEP_CHARACTERS)}` : "");
  }
}
