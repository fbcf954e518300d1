/** The five experiments of the tour, in a browser. */

import assert from "node:assert/strict";
import { describe } from "node:test";

import { waitUntil } from "../../clients/tests/cluster.js";
import { live, options } from "./live.js";

/** Appends until the page says something; not while it says that one must wait. */
async function appendUntil(page, pattern, waits) {
  await waitUntil(`the page says ${pattern}`, async () => {
    const text = await page.text();
    if (!pattern.test(text) && !waits?.test(text)) await page.append("one more", 1);
    return pattern.test(text);
  });
}

describe("the tour", options, () => {
  live("the_first_experiment_of_the_tour_is_done_by_its_words", {}, async (page) => {
    await page.press("tour");
    await page.press("1. a sender waits for its nodes");
    await page.says(/Press slow in the column of bonnie/);
    // Above and below it are other buttons here.
    const isBeside = () => document.querySelector(".pointer:not([hidden])")?.dataset.side === "right";
    await page.until("the arrow stands beside the button", isBeside);
    const pointed = (what, selector) =>
      page.until(what, (selector) => document.querySelector("[data-pointed]")?.matches(selector), selector);
    await page.press("slow", "bonnie");
    await pointed("the words are pointed at", '[data-node="bonnie"] .in-force');
    assert.equal(await page.evaluate(() => scrollY), 0, "the page stays below the mouse");
    await page.says(/There: bonnie stores each message one second late/);
    await page.append("for one", 1);
    await pointed("the place in the list is pointed at", '[data-node="bonnie"] .rows li[data-id="0"]');
    await page.says(/There: answered after .*, without waiting for bonnie/);
    await page.append("for all", 3);
    await pointed("the bar is pointed at", '[data-look="bar"][data-state="waiting"]');
    await page.says(/There: answered after .*, as soon as bonnie had it/);
    await page.says(/Why: Only the sender that asks for a slow node waits/);
    await page.isPressed("slow", "bonnie", false);
    await page.one("button", "next experiment");
    await page.press("close the tour");
    assert.equal((await page.focused()).name, "tour");
  });

  live("an_experiment_waits_until_a_fault_from_before_is_healed", {}, async (page) => {
    await page.toggle("pause", "clyde", true);
    await page.press("tour");
    await page.press("1. a sender waits for its nodes");
    await page.says(/clyde is paused.* press heal in the column of clyde first/);
    const isPointed = (node, fault) => {
      const pointed = document.querySelector("[data-pointed]");
      return pointed?.dataset.fault === fault && pointed.closest("section").dataset.node === node;
    };
    await page.until("heal of clyde is pointed at", isPointed, "clyde", "heal");
    await page.toggle("slow", "bonnie", true);
    await page.append("for one", 1);
    await page.says(/message 0: answered 201/);
    const told = () => document.getElementById("tour").textContent;
    assert.doesNotMatch(await page.evaluate(told), /There:/);
    await page.press("heal", "clyde");
    await page.says(/There: bonnie stores each message one second late/);
    assert.doesNotMatch(await page.evaluate(told), /There: answered/, "what was appended before does not count");
    await page.append("for one again", 1);
    await page.says(/There: answered after .*, without waiting for bonnie/);
    await page.press("heal", "bonnie");
    await page.says(/That fault of bonnie is over. Press slow once more/);
    await page.until("slow of bonnie is pointed at", isPointed, "bonnie", "slow");
  });

  live("the_tour_leads_to_a_write_concern_that_fits", {}, async (page) => {
    const isPointed = (id) => document.getElementById(id).closest("[data-pointed]") !== null;
    const pointed = (id) => page.until(`${id} is pointed at`, isPointed, id);
    await page.click(await page.one("radio", "3"));
    await page.press("tour");
    await page.press("3. a node falls silent");
    await page.press("pause", "clyde");
    await pointed("concern-1");
    await page.click(await page.one("radio", "majority"));
    await pointed("message");
    await page.fill(await page.one("textbox", "message"), "for a majority");
    await pointed("append-button");
    await page.press("append");
    await page.says(/There: answered, and clyde lacks message/);
  });

  live("a_frozen_page_lets_the_tour_wait", {}, async (page) => {
    const isPointed = (text) => document.querySelector("[data-pointed]")?.textContent === text;
    const pointed = (text) => page.until(`${text} is pointed at`, isPointed, text);
    await page.press("tour");
    await page.press("1. a sender waits for its nodes");
    await page.toggle("freeze", undefined, true);
    await page.says(/The page is frozen. Press back to now/);
    await pointed("back to now");
    await page.press("back to now");
    await pointed("slow");
    const words = await page.evaluate(() => document.getElementById("tour").textContent);
    assert.doesNotMatch(words, /The page is frozen/);
  });

  live("the_other_experiments_of_the_tour_are_done_by_their_words", {}, async (page) => {
    await page.press("tour");
    await page.press("2. a lost frame is sent again");
    await page.press("drop", "bonnie");
    // A later ack may cover the lost one, so that another one must be lost.
    await appendUntil(page, /There: .* went out again/, /There: the cross is the lost frame/);
    // In a window so short the arrow is apart from the ack, as the words say that end the experiment.
    await page.says(/press freeze, press ◂ until the words above the lanes say “again”, choose 0.1 s/);
    await page.toggle("freeze", undefined, true);
    const facts = () => page.evaluate(() => document.querySelector(".tl-facts").textContent);
    await waitUntil("the words tell of it", async () => {
      await page.frame();
      // It may have been frozen at that very moment.
      if (/sent message \d+ to bonnie again/.test(await facts())) return true;
      await page.press("step back");
      return false;
    });
    await page.option("length of the window", "0.1");
    await page.marked({ kind: "resent", look: "line" });
    const words = await page.evaluate(() => document.getElementById("tour").textContent);
    assert.doesNotMatch(words, /The page is frozen/, "nothing waits for now");
    await page.press("back to now");
    await page.option("length of the window", "30");
    await page.press("next experiment");
    await page.press("pause", "clyde");
    await page.says(/There: clyde neither reads nor writes/);
    await page.append("for a majority", "majority");
    await page.says(/There: answered, and clyde lacks message/);
    await page.says(/There: clyde is (suspected|unhealthy)/);
    await page.press("heal", "clyde");
    await page.press("next experiment");
    await page.press("cut", "bonnie");
    await page.says(/There: bonnie is disconnected/);
    await page.append("for two", 2);
    await page.says(/There: answered without bonnie/);
    await page.append("for all", 3);
    await page.says(/There: it waits for bonnie/);
    await page.press("heal", "bonnie");
    await page.press("next experiment");
    await page.press("duplicate", "master");
    await page.says(/There: the master now sends/);
    await appendUntil(page, /There: .* twice, and shows it once/);
    await page.press("drop", "master");
    await appendUntil(page, /There: the gap on .* is closed/);
    await page.says(/That was the last one/);
  });
});
