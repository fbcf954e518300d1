/**
 * Has a page open in a headless browser, and prints how it fares: a line each interval with the frames per second,
 * the longest time between two frames, the memory of its scripts after a collection, and its number of elements.
 *
 * Usage: node tests/page/watch.js URL SECONDS [INTERVAL_SECONDS]
 */

import { setTimeout as sleep } from "node:timers/promises";

import { Browser, installedBrowser } from "../../clients/tests/browser.js";
import { Page } from "./page.js";

const [url, seconds, interval = seconds] = process.argv.slice(2);

/** Counts frames from now on. */
function count() {
  globalThis.frames = { number: 0, longest: 0, since: performance.now() };
  let before = performance.now();
  const frame = (now) => {
    frames.number += 1;
    frames.longest = Math.max(frames.longest, now - before);
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

/** Returns frames per second and the longest time between two of them, in milliseconds, and counts anew. */
function counted() {
  const { number, longest, since } = frames;
  frames = { number: 0, longest: 0, since: performance.now() };
  return { rate: (number * 1000) / (performance.now() - since), longest };
}

const ends = [];
const program = installedBrowser();
if (!program) throw new Error("there is no Chromium");
const browser = Browser.start({ after: (end) => ends.push(end) }, program);
process.once("SIGTERM", async () => {
  for (const end of ends) await end();
  process.exit(0);
});
const page = await Page.open(browser, url);
console.log("open");
await page.evaluate(count);
for (let passed = Number(interval); passed <= Number(seconds); passed += Number(interval)) {
  await sleep(Number(interval) * 1000);
  const { rate, longest } = await page.evaluate(counted);
  const { megabytes, elements } = await page.memory();
  // The collection takes a moment, which is not the page's.
  await page.evaluate(counted);
  console.log(
    `  ${String(passed).padStart(5)} s  ${rate.toFixed(1).padStart(5)} frames/s   longest ${longest.toFixed(0).padStart(4)} ms` +
      `   ${megabytes.toFixed(1).padStart(6)} MB   ${elements} elements`,
  );
}
for (const end of ends) await end();
