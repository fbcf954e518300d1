/**
 * Has a page open in a headless browser. With an interval it prints how it fares: a line each interval with the frames
 * per second, the longest time between two frames, the memory of its scripts after a collection, and its number of
 * elements. Nothing else is switched on that a debugger may ask for, because each event of the stream told to a
 * debugger would cost more than the page itself; without an interval nothing is counted either.
 *
 * Usage: node tests/page/watch.js URL SECONDS [INTERVAL_SECONDS]
 */

import { setTimeout as sleep } from "node:timers/promises";

import { Browser, installedBrowser } from "../../clients/tests/browser.js";
import { waitUntil } from "../../clients/tests/cluster.js";

const [url, seconds, interval] = process.argv.slice(2);

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

/** Returns the memory that the page's scripts use, after a collection, and its number of elements. */
async function memory(tab) {
  await tab.call("HeapProfiler.collectGarbage");
  const { usedSize } = await tab.call("Runtime.getHeapUsage");
  const { nodes } = await tab.call("Memory.getDOMCounters");
  return { megabytes: usedSize / 1e6, elements: nodes };
}

const ends = [];
const program = installedBrowser();
if (!program) throw new Error("there is no Chromium");
const browser = Browser.start({ after: (end) => ends.push(end) }, program);
process.once("SIGTERM", async () => {
  for (const end of ends) await end();
  process.exit(0);
});
const tab = await browser.open("about:blank");
const metrics = { width: 1280, height: 900, deviceScaleFactor: 1, mobile: false };
await tab.call("Emulation.setDeviceMetricsOverride", metrics);
await tab.call("Page.navigate", { url: `${url}/` });
const isDrawn = "document.querySelector('svg[aria-label=timeline]') !== null";
await waitUntil("the page has a timeline", () => tab.evaluate(isDrawn));
console.log("open");
if (interval) {
  await tab.evaluate(`(${count})()`);
  for (let passed = Number(interval); passed <= Number(seconds); passed += Number(interval)) {
    await sleep(Number(interval) * 1000);
    const { rate, longest } = await tab.evaluate(`(${counted})()`);
    const { megabytes, elements } = await memory(tab);
    // The collection takes a moment, which is not the page's.
    await tab.evaluate(`(${counted})()`);
    console.log(
      `  ${String(passed).padStart(5)} s  ${rate.toFixed(1).padStart(5)} frames/s   ` +
        `longest ${longest.toFixed(0).padStart(4)} ms   ${megabytes.toFixed(1).padStart(6)} MB   ${elements} elements`,
    );
  }
} else {
  await sleep(Number(seconds) * 1000);
}
for (const end of ends) await end();
