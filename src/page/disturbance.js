// What keeps an experiment of the tour from showing what it says. Pure.

import { isWell } from "./node-words.js";
import { FAULTS, faultPhrases, inForce, listed } from "./words.js";

// Returns what must be done before step `at` of an experiment can tell anything: `{words, point}`, with
// the control to use, `point`, as steps have it; and `back`, where an earlier step must be done once more;
// or null. `see` is a `Sight`.
export function disturbance({ steps }, at, see) {
  const presses = steps.map(({ point }) => point).filter((point) => FAULTS.includes(point?.fault));
  for (const { name, faults } of see.members()) {
    const own = presses.filter(({ node }) => node === name).map(({ fault }) => fault);
    if (!hasOthers(faults, own)) continue;
    const words =
      `${name} ${listed(faultPhrases(faults))}. That is not of this experiment: ` +
      `press heal in the column of ${name} first.`;
    return { words, point: { node: name, fault: "heal" } };
  }
  return at === 0 ? unwell(see, steps[0].point) : ended(steps, at, see);
}

// Whether faults are in force that are none of the `own` ones.
function hasOthers(faults, own) {
  if (!faults) return false;
  return faults.errorRate > 0 || FAULTS.some((fault) => !own.includes(fault) && inForce(fault, faults));
}

// Returns what is to be done where a node is not well before anything is broken by `press`.
function unwell(see, press) {
  const isBroken = (name) => name === press.node && see.breaks(name, press.fault);
  const ill = see.members().find(({ name, row }) => row && !isWell(row) && !isBroken(name));
  if (!ill) return null;
  const { name, row } = ill;
  const how = row.status === "healthy" ? row.phase : row.status;
  return {
    words: `${name} is ${how}. Wait until it is healthy and ready; start it where it does not run.`,
    point: { node: name },
  };
}

// Returns the step to go back to where a fault is over that the step `at` needs.
function ended(steps, at, see) {
  if (steps[at].point?.fault === "heal") return null;
  const back = steps.slice(0, at).findIndex(({ point }) => {
    return FAULTS.includes(point?.fault) && !see.breaks(point.node, point.fault);
  });
  if (back < 0) return null;
  const { point } = steps[back];
  return { words: `That fault of ${point.node} is over. Press ${point.fault} once more.`, point, back };
}
