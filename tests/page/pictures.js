/** Makes the pictures of the page in docs/images, each of a failure that is made anew on a real cluster. */

import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Browser, installedBrowser } from "../../clients/tests/browser.js";
import { Cluster, waitUntil } from "../../clients/tests/cluster.js";
import { Page } from "./page.js";

const FOLDER = new URL("../../docs/images/", import.meta.url).pathname;
const FLAGS = { all: ["--allow-faults"], master: ["--heartbeat-interval", "500ms"] };

/** Time between what happens, so that it is told apart in the pictures, in milliseconds. */
const PACE = 700;

/** Texts of messages, as in a shop. */
const ORDERS = ["order 41: tea", "order 42: coffee", "order 43: cocoa", "order 44: lemonade"];

const program = installedBrowser();
if (!program) {
  console.log("scripts/test-page: pictures skipped: there is no Chromium");
  process.exit(0);
}

/** Runs a function with something that ends what it starts, as a test does. */
async function within(run) {
  const ends = [];
  try {
    return await run({ after: (end) => ends.push(end) });
  } finally {
    for (const end of ends) await end();
  }
}

/**
 * Plays a scene on the page of a new cluster. The timeline's window begins with the scene, behind the start of the
 * nodes; if it has turned over before the pictures are made, because the machine is busy, the scene is played again.
 */
async function play(browser, scene) {
  for (let tries = 1; tries <= 5; tries += 1) {
    const isWhole = await within(async (t) => {
      const cluster = await Cluster.start(t, FLAGS);
      // Windows of 10 s begin at multiples of half their length.
      await sleep(5000 - (Date.now() % 5000));
      const page = await Page.open(browser, cluster.master.url, { width: 1280, height: 960 });
      await page.pose();
      await scene(page, cluster);
      const marks = await page.marks({ ids: "0-1" });
      await page.close();
      return marks.length > 0;
    });
    if (isWhole) return;
  }
  throw new Error("this machine is too busy for pictures");
}

/** Takes a picture in light and in dark. */
async function picture(page, name, clip) {
  await page.pose();
  for (const scheme of ["light", "dark"]) {
    await page.prefer({ scheme, motion: "reduce" });
    await page.frame();
    await page.picture(path.join(FOLDER, `${name}-${scheme}.png`), clip);
  }
}

/** Takes a picture of the timeline alone, which stands still from now on. */
async function timeline(page, name) {
  await page.toggle("freeze", undefined, true);
  await picture(page, name, await page.box(await page.timeline()));
}

/**
 * Of a cluster of which one secondary is cut off, the frame with a message to the other one is lost: its sender waits,
 * and the message behind it is held back until it is sent again.
 */
async function lost(page, cluster) {
  await page.append(ORDERS[0], 3);
  await page.says(/message 0: answered 201/);
  await sleep(2 * PACE);
  await page.toggle("cut", "clyde", true);
  await page.says(/disconnected/, "clyde");
  // Of the frames to bonnie, these draws lose the second one.
  await cluster.master.inject({ dropRate: 0.3, seed: 22 });
  await page.append(ORDERS[1], 2);
  await page.says(/message 1: answered 201/);
  await sleep(2 * PACE);
  await page.append(ORDERS[2], 2);
  await page.marked({ kind: "lost", look: "lost", peer: "bonnie" });
  await sleep(PACE);
  await page.append(ORDERS[3], 3);
  await page.marked({ kind: "held", node: "bonnie" });
  await page.says(/on master; waits for bonnie and clyde/);
  await page.says(/lacks 2/, "bonnie");
  await picture(page, "page");
  await page.marked({ kind: "gap-closed", node: "bonnie" });
  await page.says(/message 2: answered 201/);
  await sleep(PACE);
  await timeline(page, "timeline-lost");
}

/** A secondary is slow: requests are sent again, come twice, and are answered late. */
async function late(page, cluster) {
  await page.append(ORDERS[0], 3);
  await page.says(/message 0: answered 201/);
  await sleep(PACE);
  await cluster.nodes[1].inject({ storeDelayMs: [2000, 2000] });
  await page.append(ORDERS[1], 2);
  await sleep(PACE);
  await page.append(ORDERS[2], 3);
  await page.marked({ kind: "late", node: "master", peer: "bonnie" });
  await page.marked({ kind: "duplicate", node: "bonnie" });
  await page.says(/message 2: answered 201/);
  await sleep(PACE);
  await timeline(page, "timeline-late");
  await page.toggle("freeze", undefined, false);
  await page.click((await page.find("button", "receipt", "master"))[1]);
  const dialog = await waitUntil("the dialog is open", async () => (await page.find("dialog"))[0]);
  await page.says(/has it/);
  await picture(page, "receipt", await page.box(dialog.backendNodeId));
  await page.key("Escape");
}

/** A secondary falls silent, and is served when it speaks again. */
async function silent(page) {
  await page.append(ORDERS[0], 3);
  await page.says(/message 0: answered 201/);
  await sleep(PACE);
  await page.toggle("pause", "clyde", true);
  await page.append(ORDERS[1], 2);
  await sleep(PACE);
  await page.append(ORDERS[2], 3);
  await page.says(/unhealthy/, "clyde");
  await sleep(PACE);
  await page.toggle("pause", "clyde", false);
  await page.says(/message 2: answered 201/);
  await sleep(PACE);
  await timeline(page, "timeline-silence");
}

/** The first experiment of the tour, half-way. */
async function toured(page) {
  await page.press("tour");
  await page.press("1. a sender waits for its nodes");
  await page.press("slow", "bonnie");
  await page.says(/There: bonnie stores each message one second late/);
  await page.append(ORDERS[0], 1);
  await page.says(/There: answered after .*, without waiting for bonnie/);
  const isPointedAt = () => document.querySelector("[data-pointed] input")?.id === "concern-3";
  await page.until("the tour points at the next control", isPointedAt);
  await picture(page, "tour");
}

await within(async (t) => {
  const browser = Browser.start(t, program);
  for (const scene of [lost, late, silent, toured]) await play(browser, scene);
});
