/** The page in a headless browser, on a real cluster: what a user sees of failures, and what the user does. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";

import { Browser, installedBrowser } from "../../clients/tests/browser.js";
import { Cluster, waitUntil } from "../../clients/tests/cluster.js";
import { Client } from "../../clients/acklog.js";
import { Page } from "./page.js";

const program = installedBrowser();
const browser = program && Browser.start({ after }, program);
const axe = process.env.AXE && readFileSync(process.env.AXE, "utf8");

const NODES = ["master", "bonnie", "clyde"];

const FLAGS = { all: ["--allow-faults"], master: [] };

/** What the browser logs of answers that are errors, and of connections that are refused. */
const FAILED_REQUESTS = /^network error: Failed to load resource/;

/**
 * Tests the master's page on a cluster of its own. Holds for each: no error and no warning, nothing that the page's
 * policy forbids, no request to elsewhere, one stream of events. `expected` matches errors that are meant to happen.
 */
function live(name, { expected, skip, looks, flags = FLAGS } = {}, run) {
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
function folder(t) {
  const made = mkdtempSync(path.join(tmpdir(), "acklog-page-"));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

/** Appends until the page says something; not while it says that one must wait. */
async function appendUntil(page, pattern, waits) {
  await waitUntil(`the page says ${pattern}`, async () => {
    const text = await page.text();
    if (!pattern.test(text) && !waits?.test(text)) await page.append("one more", 1);
    return pattern.test(text);
  });
}

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

const options = { concurrency: 3, skip: program ? false : "there is no Chromium" };

describe("the page of a node", options, () => {
  live("acks_arrive_node_by_node_while_a_sender_waits", {}, async (page) => {
    await page.toggle("pause", "bonnie", true);
    await page.append("for all of them", 3);
    await page.says(/\blive\b/);
    await page.says(/on master and clyde; waits for bonnie/);
    await page.marked({ kind: "waits", ids: "0-1" });
    await page.lists("clyde", ["for all of them"]);
    assert.deepEqual(await page.list("bonnie"), []);
    await page.toggle("pause", "bonnie", false);
    await page.says(/message 0: answered 201 after .*, on master, (bonnie and clyde|clyde and bonnie)/);
    await page.lists("bonnie", ["for all of them"]);
  });

  live("lists_differ_while_a_node_is_cut_off_and_converge_once_it_is_healed", {}, async (page) => {
    await page.append("before", 3);
    await page.says(/message 0: answered 201/);
    await page.toggle("cut", "bonnie", true);
    await page.append("meanwhile", 2);
    await page.says(/message 1: answered 201/);
    await page.lists("clyde", ["before", "meanwhile"]);
    assert.deepEqual(await page.list("bonnie"), ["before"]);
    await page.says(/bonnie is cut off/, "bonnie");
    await page.press("heal", "bonnie");
    await page.isPressed("cut", "bonnie", false);
    for (const node of NODES) await page.lists(node, ["before", "meanwhile"]);
  });

  live("a_lost_frame_has_a_mark_of_its_own", {}, async (page, cluster) => {
    await cluster.master.inject({ dropRate: 1 });
    await page.append("lost on its way", 2);
    for (const peer of ["bonnie", "clyde"]) {
      const [lost] = await page.marked({ kind: "lost", look: "lost", node: "master", peer, ids: "0-1" });
      assert.ok(lost.width > 0 && lost.height > 0, "the cross is drawn");
    }
    await page.press("heal", "master");
    await page.says(/message 0: answered 201/);
  });

  live("late_and_duplicate_answers_have_marks_of_their_own", {}, async (page, cluster) => {
    // Longer than a request may take, so it is sent again, comes twice, and is answered late.
    await cluster.nodes[1].inject({ storeDelayMs: [2000, 2000] });
    await page.isPressed("slow", "bonnie", true);
    await page.append("late", 3);
    await page.marked({ kind: "timed-out", node: "master", peer: "bonnie" });
    await page.marked({ kind: "late", node: "master", peer: "bonnie" });
    await page.marked({ kind: "duplicate", node: "bonnie" });
  });

  live("the_silence_of_a_paused_node_shows_and_ends", {}, async (page) => {
    await page.toggle("pause", "clyde", true);
    await page.says(/suspected|unhealthy/, "clyde");
    const [band] = await page.marked({ kind: "silence", node: "clyde" });
    assert.ok(band.width > 0, "the band is drawn");
    await page.append("not for clyde", 3);
    await page.says(/on master and bonnie; waits for clyde/);
    await page.toggle("pause", "clyde", false);
    await page.says(/message 0: answered 201/);
    await page.says(/ready/, "clyde");
  });

  live("a_message_has_a_receipt_in_a_dialog", {}, async (page) => {
    await page.append("with a receipt", 3);
    await page.says(/message 0: answered 201/);
    await page.press("receipt", "master");
    const dialog = await waitUntil("the dialog is open", async () => (await page.find("dialog"))[0]);
    assert.match(dialog.name, /message 0/i);
    for (const node of NODES) await page.one("rowheader", node);
    await page.key("Escape");
    await waitUntil("the dialog is closed", async () => (await page.find("dialog")).length === 0);
    assert.equal((await page.focused()).name, "receipt");
  });

  live("texts_of_messages_are_shown_as_texts_whatever_is_in_them", { looks: { height: 1400 } }, async (page, cluster) => {
    const texts = [
      `<img src=x onerror="document.title='broken'">`,
      "</script><script>document.title='broken'</script>",
      "&lt;b&gt; 'quoted' \"twice\" `${1}`",
      "one\u2028two\nthree",
      "\u202eright to left\u202c",
      "מימין לשמאל",
      "漢字 🦀 naïve",
      "x".repeat(100_000),
    ];
    const client = new Client([cluster.master.url]);
    for (const text of texts) await client.append(text, { writeConcern: "all" });
    // A message that the node is known to have has a row before its text comes.
    const shown = await waitUntil("all are shown", async () => {
      const shown = await page.list("bonnie");
      return shown.length === texts.length && !shown.includes("…") && shown;
    });
    for (const at of [0, 1, 2, 5, 6]) assert.equal(shown[at], texts[at]);
    assert.match(shown[3], /one.two.three/);
    assert.doesNotMatch(shown[4], /\u202e/);
    assert.match(shown[7], /^x{40,200}…$/);
    assert.doesNotMatch(await page.evaluate(() => document.title), /broken/);
    assert.equal(await page.evaluate(() => document.querySelectorAll("script, img").length), 1);
    assert.deepEqual(await page.faultsOfLayout(), []);
  });

  live("all_that_the_mouse_does_is_done_by_the_keyboard", {}, async (page) => {
    await page.tabTo("textbox", "message");
    await page.type("typed");
    await page.key("Enter");
    await page.says(/message 0: answered 201/);
    for (const name of ["pause", "drop", "duplicate", "slow", "cut"]) {
      const focused = await page.tabTo("button", name, "bonnie");
      assert.ok(focused.isMarked, `the focus on ${name} can be seen`);
      await page.key(" ");
      await page.isPressed(name, "bonnie", true);
      await page.key("Enter");
      await page.isPressed(name, "bonnie", false);
    }
    for (const name of ["heal", "freeze", "save", "open", "tour"]) await page.tabTo("button", name);
  });

  live("nodes_without_faults_have_no_buttons_for_them", { flags: { all: [], master: [] } }, async (page) => {
    await page.says(/--allow-faults/);
    for (const node of NODES) assert.deepEqual(await page.find("button", "pause", node), []);
    await page.append("all the same", 3);
    await page.says(/message 0: answered 201/);
  });

  live("time_stops_goes_back_and_on", {}, async (page, cluster) => {
    const client = new Client([cluster.master.url]);
    await client.append("first", { writeConcern: "all" });
    await page.lists("bonnie", ["first"]);
    await page.toggle("freeze", undefined, true);
    const heard = page.hears(/"node":"bonnie".*"second"/);
    await client.append("second", { writeConcern: "all" });
    await heard;
    await page.frame();
    assert.deepEqual(await page.list("bonnie"), ["first"]);
    await page.says(/0\.0 s back/);
    await waitUntil("it is so far back that nothing is shown", async () => {
      await page.press("step back");
      return (await page.list("bonnie")).length === 0;
    });
    await page.toggle("freeze", undefined, false);
    await page.lists("bonnie", ["first", "second"]);
  });

  live("what_happened_is_saved_and_shown_again_from_its_file", {}, async (page, cluster, t) => {
    await page.append("recorded", 3);
    await page.says(/message 0: answered 201/);
    await cluster.master.inject({ dropRate: 1 });
    await page.append("lost", 1);
    await page.marked({ kind: "lost", ids: "1-2" });
    await page.lists("master", ["recorded", "lost"]);
    const file = await page.download(folder(t), () => page.press("save"));
    const [head, ...items] = readFileSync(file, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.equal(head.recording, 1);
    assert.ok(items.some(({ data }) => data.kind === "dropped"));
    // On the page of another node, which knows nothing of it.
    const other = await Page.open(browser, cluster.nodes[1].url);
    t.after(() => other.close());
    other.choose(file);
    await other.press("open");
    await other.says(/recording/);
    await other.slide("moment", 1);
    await other.lists("master", ["recorded", "lost"]);
    assert.deepEqual(await other.list("bonnie"), ["recorded"]);
    await other.marked({ kind: "lost", ids: "1-2" });
    assert.deepEqual(await other.find("button", "pause", "bonnie"), []);
    await other.press("close the recording");
    await other.says(/bonnie, a secondary/);
    other.isClean();
  });

  live("a_simulated_scenario_is_shown_from_its_recording", {}, async (page, _, t) => {
    const file = path.join(folder(t), "crash.ndjson");
    const scenario = new URL("../../scenarios/crash.txt", import.meta.url).pathname;
    const acklog = path.join(process.env.ACKLOG_BIN, "acklog");
    const run = spawnSync(acklog, ["scenario", "run", scenario, "--simulate", "--record", file], { encoding: "utf8" });
    assert.equal(run.status, 0, run.stderr);
    page.choose(file);
    await page.press("open");
    await page.says(/virtual/);
    await page.slide("moment", 1);
    await waitUntil("its messages are shown", async () => (await page.list("bonnie")).length > 0);
  });

  live("of_a_file_that_is_no_recording_the_page_says_what_is_wrong", {}, async (page, _, t) => {
    const file = path.join(folder(t), "broken.ndjson");
    const head = '{"recording":1,"madeBy":"a test","clock":"wall","title":"broken"}';
    for (const [text, wrong] of [
      ["no JSON", /no recording/],
      ['{"recording":2,"madeBy":"a test","clock":"wall","title":"newer"}\n', /version 2/],
      [`${head}\n`, /empty/],
      [`${head}\n{"at":1,"event":"step","data":{"text":"a step"}}\nno JSON\n{}\n`, /line 3/],
    ]) {
      writeFileSync(file, text);
      page.choose(file);
      await page.press("open");
      await page.says(wrong);
    }
  });

  live("the_first_experiment_of_the_tour_is_done_by_its_words", {}, async (page) => {
    await page.press("tour");
    await page.press("1. a sender waits for its nodes");
    await page.says(/Press slow in the column of bonnie/);
    // Above and below it are other buttons here.
    const isBeside = () => document.querySelector(".pointer:not([hidden])")?.dataset.side === "right";
    await page.until("the arrow stands beside the button", isBeside);
    await page.press("slow", "bonnie");
    await page.says(/There: bonnie stores each message one second late/);
    await page.append("for one", 1);
    await page.says(/There: answered after .*, without waiting for bonnie/);
    await page.append("for all", 3);
    await page.says(/There: answered after .*, as soon as bonnie had it/);
    await page.says(/Why: Only the sender that asks for a slow node waits/);
    await page.isPressed("slow", "bonnie", false);
    await page.one("button", "next experiment");
    await page.press("close the tour");
    assert.equal((await page.focused()).name, "tour");
  });

  live("the_other_experiments_of_the_tour_are_done_by_their_words", {}, async (page) => {
    await page.press("tour");
    await page.press("2. a lost frame is sent again");
    await page.press("drop", "bonnie");
    // A later ack may cover the lost one, so that another one must be lost.
    await appendUntil(page, /There: .* went out again/, /There: the cross is the lost frame/);
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

  live("the_page_says_that_a_secondary_was_killed_and_that_it_is_back", {}, async (page, cluster) => {
    const [, , clyde] = cluster.nodes;
    await page.append("before", 3);
    await page.says(/message 0: answered 201/);
    await clyde.kill();
    await page.says(/does not answer|disconnected/, "clyde");
    await page.append("meanwhile", 2);
    await page.says(/message 1: answered 201/);
    await clyde.start();
    await page.says(/ready/, "clyde");
    await page.lists("clyde", ["before", "meanwhile"]);
  });

  live(
    "the_page_says_that_its_node_was_killed_and_comes_back_with_it",
    { expected: FAILED_REQUESTS },
    async (page, cluster) => {
      await page.append("before", 3);
      await page.says(/message 0: answered 201/);
      await cluster.master.kill();
      await page.says(/connection lost/);
      assert.deepEqual(await page.list("master"), ["before"]);
      await cluster.master.start();
      await waitUntil("the connection is lost no longer", async () => {
        return !/connection lost/.test(await page.text());
      });
      await page.append("after", 3);
      await page.says(/answered 201[^]*answered 201/);
      for (const node of NODES) await page.lists(node, ["before", "after"]);
    },
  );

  live("a_secondary_shows_itself_and_leads_to_the_page_of_its_master", {}, async (_, cluster, t) => {
    const [master, bonnie] = cluster.nodes;
    await new Client([master.url]).append("for all", { writeConcern: 3 });
    const page = await Page.open(browser, bonnie.url);
    t.after(() => page.close());
    await page.says(/bonnie, a secondary/);
    await page.lists("bonnie", ["for all"]);
    assert.deepEqual(await page.list("clyde"), []);
    assert.deepEqual(await page.find("button", "append"), []);
    const link = await page.one("link", "all nodes are on the master's page");
    assert.equal(link.url, `${master.url}/`);
    await page.toggle("pause", "bonnie", true);
    await page.toggle("pause", "bonnie", false);
    page.isClean();
  });

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
