/** How the page looks in a headless browser: in windows of several sizes, as users prefer it, and without scripts. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe } from "node:test";

import { Client } from "../../clients/acklog.js";
import { browser, live, options } from "./live.js";
import { Page } from "./page.js";

const axe = process.env.AXE && readFileSync(process.env.AXE, "utf8");

/** Prepares what is looked at: long texts, faults in force, a sender that waits, messages that are not everywhere. */
async function busy(page, cluster) {
  const client = new Client([cluster.master.url]);
  await client.append("a first message", { writeConcern: "all" });
  await client.append("a long message ".repeat(20), { writeConcern: "all" });
  for (const fault of ["slow", "duplicate", "drop"]) await page.toggle(fault, "bonnie", true);
  await page.toggle("cut", "clyde", true);
  await page.append("for all three, one of which is cut off", 3);
  await page.says(/waits for/);
  await page.says(/unhealthy|disconnected/, "clyde");
}

describe("the look of the page of a node", options, () => {
  live("a_page_without_its_scripts_says_so", {}, async (whole, { master: { url } }, t) => {
    assert.equal(await whole.evaluate(() => document.getElementById("unloaded")), null);
    const without = await Page.load(browser, url, { lacks: "*/page/shapes.js" });
    t.after(() => without.close());
    // Late, so that nobody sees or hears it while scripts are on their way.
    const delay = () => {
      const [animation] = document.getElementById("unloaded")?.getAnimations() ?? [];
      return animation?.effect.getComputedTiming().delay;
    };
    assert.ok((await without.until("the words are to come", delay)) >= 10_000);
    await without.says(/scripts are not here yet\. If this stays, load it again/);
    assert.doesNotMatch(await without.text(), /connecting/);
    assert.equal((await without.find("alert")).length, 1);
    assert.deepEqual(await without.faultsOfLayout(), []);
    const unscripted = await Page.load(browser, url, { isScripted: false });
    t.after(() => unscripted.close());
    await unscripted.says(/needs JavaScript/);
    assert.deepEqual(await unscripted.find("alert"), []);
  });

  live("the_page_fits_its_window", { looks: { width: 1920, height: 1080 } }, async (page, cluster) => {
    await busy(page, cluster);
    for (const [width, height] of [
      [1920, 1080],
      [1280, 800],
      [800, 900],
    ]) {
      await page.resize(width, height);
      // Twice: the page is drawn anew for its new width.
      await page.frame();
      assert.deepEqual(await page.faultsOfLayout(), [], `at ${width} pixels`);
    }
    await page.resize(1280, 800);
    await page.press("tour");
    await page.frame();
    assert.deepEqual(await page.faultsOfLayout(), [], "with the tour");
  });

  live("what_a_step_tells_is_in_sight_above_the_lanes", { looks: { height: 800 } }, async (page) => {
    await page.append("stepped", 3);
    await page.says(/message 0: answered 201/);
    const places = () =>
      page.evaluate(() => {
        const bottom = (element) => element.getBoundingClientRect().bottom;
        const [facts, lanes] = [document.querySelector(".tl-facts"), document.querySelector(".tl-svg")];
        const { top } = lanes.getBoundingClientRect();
        return { facts: bottom(facts), lanes: top, axis: bottom(lanes.querySelector(".tl-axis")), tall: innerHeight };
      });
    const live = await places();
    await page.toggle("freeze", undefined, true);
    await page.press("step back");
    await page.says(/\d  .*message 0/);
    const isInSight = (at) => assert.ok(at.facts <= at.lanes && at.axis <= at.tall, JSON.stringify(at));
    const stepped = await places();
    isInSight(stepped);
    assert.equal(stepped.lanes, live.lanes, "nothing moves");
    await page.evaluate(() => (document.querySelector(".tl-facts").textContent = "many facts ".repeat(100)));
    const full = await places();
    isInSight(full);
    assert.equal(full.lanes, live.lanes, "nothing moves where there is much to tell");
    await page.press("tour");
    await page.frame();
    isInSight(await places());
  });

  live("the_help_can_be_closed_where_it_is_long_and_its_groups_are_whole", {}, async (page) => {
    await page.press("help");
    for (const height of [800, 400]) {
      await page.resize(1280, height);
      await page.frame();
      const { groups, bottom, isLong } = await page.evaluate(() => {
        const dialog = document.getElementById("help");
        dialog.scrollTop = dialog.scrollHeight;
        const groups = [...dialog.querySelectorAll("section")].map((section) => section.getClientRects().length);
        const { bottom } = dialog.querySelector("button").getBoundingClientRect();
        return { groups, bottom, isLong: dialog.scrollHeight > dialog.clientHeight };
      });
      assert.ok(isLong && bottom > 0 && bottom < height, `at ${height} pixels: ${bottom}`);
      assert.deepEqual(new Set(groups), new Set([1]), "no group goes on in another column");
    }
    await page.press("close");
    assert.deepEqual(await page.find("dialog"), []);
  });

  live("the_link_to_the_form_leaves_its_label_in_sight", { looks: { height: 500 } }, async (page) => {
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.tabTo("link", "to the form that appends");
    await page.key("Enter");
    const top = () => document.querySelector('label[for="message"]').getBoundingClientRect().top;
    await page.until("the field has the focus", () => document.activeElement.id === "message");
    await page.frame();
    assert.ok((await page.evaluate(top)) >= 0);
  });

  live("what_is_in_force_when_time_stops_reaches_to_that_moment", {}, async (page) => {
    await page.prefer({ motion: "reduce" });
    await page.option("length of the window", "2");
    await page.toggle("slow", "bonnie", true);
    for (let times = 0; times < 4; times += 1) {
      await page.marked({ kind: "faults", look: "band", node: "bonnie" });
      await page.toggle("freeze", undefined, true);
      await page.frame();
      const [{ x, width }] = await page.marks({ kind: "faults", look: "band", node: "bonnie" });
      const hand = await page.evaluate(() => document.querySelector(".tl-hand").getBoundingClientRect().left);
      assert.ok(Math.abs(x + width - hand) < 3, `${x + width} is not ${hand}`);
      await page.toggle("freeze", undefined, false);
    }
  });

  live("what_a_user_prefers_is_respected", {}, async (page, cluster) => {
    await busy(page, cluster);
    const brightness = () =>
      page.evaluate(() => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d");
        canvas.fillStyle = getComputedStyle(document.documentElement).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
        return (red + green + blue) / 3;
      });
    await page.prefer({ scheme: "light" });
    assert.ok((await brightness()) > 200);
    await page.prefer({ scheme: "dark", motion: "reduce" });
    assert.ok((await brightness()) < 60);
    const moving = () => document.getAnimations().filter((it) => it.effect.getComputedTiming().duration > 1).length;
    await page.append("nothing moves", 1);
    assert.equal(await page.evaluate(moving), 0);
  });

  const unlessAxe = { skip: axe ? undefined : "there is no axe-core" };

  live("axe_finds_nothing_in_either_scheme", unlessAxe, async (page, cluster) => {
    await busy(page, cluster);
    assert.deepEqual(await page.audit(axe), []);
    await page.prefer({ scheme: "dark" });
    assert.deepEqual(await page.audit(axe), []);
  });

  live("axe_finds_nothing_in_what_opens", unlessAxe, async (page) => {
    await page.append("with a receipt", 3);
    await page.press("receipt", "master");
    await page.says(/has it/);
    assert.deepEqual(await page.audit(axe, "dialog[open]"), []);
    await page.key("Escape");
    await page.press("help");
    assert.deepEqual(await page.audit(axe, "dialog[open]"), []);
    await page.key("Escape");
    await page.press("tour");
    await page.press("1. a sender waits for its nodes");
    assert.deepEqual(await page.audit(axe, "aside"), []);
  });
});
