/** EventSource, and acklog.js, in a browser: each node is followed across its restart. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { Client } from "../acklog.js";
import { Browser, installedBrowser } from "./browser.js";
import { Cluster, waitUntil } from "./cluster.js";

const program = installedBrowser();
const module = readFileSync(new URL("../acklog.js", import.meta.url)).toString("base64");

/** Two followers in a page of the node's own origin; both collect what they are shown. */
const FOLLOW = `(async () => {
  globalThis.shown = { eventSource: [], client: [] };
  const source = new EventSource("/messages");
  source.onmessage = ({ data, lastEventId }) => {
    const { id, message } = JSON.parse(data);
    shown.eventSource.push([id, message]);
  };
  const { Client } = await import("data:text/javascript;base64,${module}");
  (async () => {
    for await (const { id, text } of new Client().follow()) shown.client.push([id, text]);
  })();
})()`;

const options = { timeout: 300_000, skip: program ? false : "there is no Chromium" };

test("each_node_is_followed_in_a_browser_across_its_restart", options, async (t) => {
  const cluster = await Cluster.start(t);
  const browser = Browser.start(t, program);
  const writer = new Client(cluster.urls);
  const expected = [];
  const append = async (texts) => {
    const { id } = await writer.appendBatch(texts, { writeConcern: "all" });
    expected.push(...texts.map((text, n) => [id + n, text]));
  };
  await append(["naïve 漢字 🦀", "\u2028\r\n"]);
  const pages = [];
  for (const node of cluster.nodes) {
    // Any document of the node has its origin.
    const tab = await browser.open(`${node.url}/health`);
    const loaded = `location.origin === "${node.url}"`;
    await waitUntil("the page is loaded", () => tab.evaluate(loaded));
    await tab.evaluate(FOLLOW);
    pages.push([node, tab]);
  }
  const shown = async (tab, name) => {
    await waitUntil(`${expected.length} messages are shown`, async () => {
      return (await tab.evaluate(`shown.${name}.length`)) >= expected.length;
    });
    assert.deepEqual(await tab.evaluate(`shown.${name}`), expected);
  };
  for (const [node, tab] of pages) {
    for (const name of ["eventSource", "client"]) await shown(tab, name);
    await node.kill();
    await node.start();
    await append(["a", "b", `behind the restart of ${node.name}`]);
  }
  for (const [, tab] of pages) {
    for (const name of ["eventSource", "client"]) await shown(tab, name);
  }
});
