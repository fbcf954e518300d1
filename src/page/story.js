// The steps of a scenario as a story: the heading that they stand under, and how far each is. Pure.

// Most steps of a part that are shown. More: the newest is not in sight.
const MOST_SHOWN = 12;

// Lines that only tell something, with their text between quotes.
const HEADING = /^(story|step|moral)\s+"?(.*?)"?$/;

// States of a step after which another one follows.
const GOES_ON = new Set(["waits", "begins"]);

// Returns `{heading, moral, steps}` of the steps that were told so far, the oldest first: `heading`
// is that of the part that is played, or null; `moral` is whether it is the end of the story;
// `steps` are those of the part, each as `{line, text, state, seen}` with its latest state.
export function story(told) {
  let heading = null;
  let moral = false;
  let steps = [];
  for (const { line, text, state, seen } of told) {
    const [, kind, words] = HEADING.exec(text) ?? [];
    const last = steps.at(-1);
    if (kind === undefined) {
      if (last?.line === line && GOES_ON.has(last.state))
        steps[steps.length - 1] = { line, text, state, seen };
      else steps.push({ line, text, state, seen });
    } else if (state === "begins") {
      heading = words;
      moral = kind === "moral";
      // The end of a story leaves its last part in sight.
      if (!moral) steps = [];
    }
  }
  return { heading, moral, steps: steps.slice(-MOST_SHOWN) };
}
