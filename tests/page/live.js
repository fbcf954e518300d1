/** Has tests of the page in a headless browser, each on a real cluster of its own. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, it } from "node:test";

import { Browser, installedBrowser } from "../../clients/tests/browser.js";
import { Cluster, waitUntil } from "../../clients/tests/cluster.js";
import { Page } from "./page.js";

const program = installedBrowser();

/** The browser of all tests of a file; null: there is none here. */
export const browser = program && Browser.start({ after }, program);

/** How the tests of a file run. */
export const options = { concurrency: 3, skip: program ? false : "there is no Chromium" };

export const NODES = ["master", "bonnie", "clyde"];

const FLAGS = { all: ["--allow-faults"], master: [] };

/**
 * Tests the master's page on a cluster of its own. Holds for each: no error and no warning, nothing that the page's
 * policy forbids, no request to elsewhere, one stream of events. `expected` matches errors that are meant to happen.
 */
export function live(name, { expected, skip, looks, flags = FLAGS } = {}, run) {
  it(name, { timeout: 120_000, skip }, async (t) => {
    const cluster = await Cluster.start(t, flags);
    const page = await Page.open(browser, cluster.master.url, looks);
    t.after(() => page.close());
    // So long that marks stay until they are looked for.
    await page.option("length of the window", "30");
    await run(page, cluster, t).catch(async (error) => {
      const picture = path.resolve("target", `${name}.png`);
      // Not there yet where the programs were built elsewhere.
      mkdirSync(path.dirname(picture), { recursive: true });
      await page.picture(picture);
      const told = [...page.problems, await page.text()].join("\n");
      throw new Error(`${error.message}; ${picture} shows the page:\n${told}`, { cause: error });
    });
    page.isClean(expected);
    await waitUntil("one stream of events is open", () => page.streams === 1);
  });
}

/** Makes a folder, which is gone after the test. */
export function folder(t) {
  const made = mkdtempSync(path.join(tmpdir(), "acklog-page-"));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}
