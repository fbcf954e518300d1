/** Makes the pictures of the page in docs/images, each of a failure that is made anew on a real cluster. */

import path from "node:path";

import { Browser, installedBrowser } from "../../clients/tests/browser.js";
import { Cluster, waitUntil } from "../../clients/tests/cluster.js";
import { Page } from "./page.js";

const FOLDER = new URL("../../docs/images/", import.meta.url).pathname;
const FLAGS = { all: ["--allow-faults"], master: ["--heartbeat-interval", "500ms"] };

/** Texts of messages, as in a shop. */
const ORDERS = ["order 41: tea", "order 42: coffee", "order 43: cocoa", "order 44: lemonade", "order 45: water"];

const ends = [];
const t = { after: (end) => ends.push(end) };

/** Ends what was started, the last first. */
async function end() {
  while (ends.length > 0) await ends.pop()();
}

const program = installedBrowser();
if (!program) {
  console.log("scripts/test-page: pictures skipped: there is no Chromium");
  process.exit(0);
}
const browser = Browser.start(t, program);

/** Opens the page of a new cluster, and ends the cluster when `scene` is over. */
async function on(scene) {
  const ended = ends.splice(0);
  const cluster = await Cluster.start(t, FLAGS);
  const page = await Page.open(browser, cluster.master.url, { width: 1280, height: 1000 });
  await scene(page, cluster);
  await page.close();
  await end();
  ends.push(...ended);
}

/** Takes a picture in light and in dark. */
async function picture(page, name, clip) {
  for (const scheme of ["light", "dark"]) {
    await page.prefer({ scheme });
    await page.frame();
    await page.picture(path.join(FOLDER, `${name}-${scheme}.png`), clip);
  }
  await page.prefer({ scheme: "light" });
}

/** Takes a picture of the timeline alone. */
async function timeline(page, name) {
  await picture(page, name, await page.box(await page.timeline()));
}

/** A secondary is cut off, an ack of the other is lost, and a sender waits for both. */
await on(async (page, cluster) => {
  const [, bonnie] = cluster.nodes;
  for (const order of ORDERS.slice(0, 2)) await page.append(order, 3);
  await page.says(/message 1: answered 201/);
  await page.toggle("cut", "clyde", true);
  await page.says(/disconnected/, "clyde");
  await bonnie.inject({ dropRate: 1 });
  await page.append(ORDERS[2], 2);
  await page.marked({ kind: "lost", node: "bonnie" });
  await bonnie.inject({});
  await page.says(/message 2: answered 201/);
  await page.append(ORDERS[3], 2);
  await page.says(/message 3: answered 201/);
  await page.append(ORDERS[4], 3);
  await page.says(/on master and bonnie; waits for clyde/);
  await picture(page, "page");
  await timeline(page, "timeline-lost");
});

/** A secondary is slow: requests are sent again, come twice, and are answered late. */
await on(async (page, cluster) => {
  await page.append(ORDERS[0], 3);
  await page.says(/message 0: answered 201/);
  await cluster.nodes[1].inject({ storeDelayMs: [2000, 2000] });
  await page.append(ORDERS[1], 2);
  await page.append(ORDERS[2], 3);
  await page.marked({ kind: "late", node: "master", peer: "bonnie" });
  await page.says(/message 2: answered 201/);
  await timeline(page, "timeline-late");
});

/** A secondary falls silent, and is served when it speaks again. */
await on(async (page) => {
  await page.append(ORDERS[0], 3);
  await page.says(/message 0: answered 201/);
  await page.toggle("pause", "clyde", true);
  await page.append(ORDERS[1], 2);
  await page.append(ORDERS[2], 3);
  await page.says(/unhealthy/, "clyde");
  await page.toggle("pause", "clyde", false);
  await page.says(/message 2: answered 201/);
  await timeline(page, "timeline-silence");
  await page.press("receipt", "master");
  const dialog = await waitUntil("the dialog is open", async () => (await page.find("dialog"))[0]);
  await page.says(/has it/);
  await picture(page, "receipt", await page.box(dialog.backendNodeId));
});

await end();
