/** The page in a headless browser, on a real cluster: what a user sees of failures, and what the user does. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe } from "node:test";

import { waitUntil } from "../../clients/tests/cluster.js";
import { Client } from "../../clients/acklog.js";
import { browser, folder, live, NODES, options } from "./live.js";
import { Page } from "./page.js";

/** What the browser logs of answers that are errors, and of connections that are refused. */
const FAILED_REQUESTS = /^network error: Failed to load resource/;

/** A window with room for as many rows as a list has at most. */
const TALL = { looks: { height: 1400 } };

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
    await page.says(/by the master's clock; the form tells the time until your browser had the answer/);
    assert.deepEqual(await page.find("link", "the whole message"), []);
    for (const node of NODES) await page.one("rowheader", node);
    await page.key("Escape");
    await waitUntil("the dialog is closed", async () => (await page.find("dialog")).length === 0);
    assert.equal((await page.focused()).name, "receipt");
  });

  live("a_receipt_of_a_long_message_leads_to_all_of_it", {}, async (page, cluster) => {
    const text = "a long message ".repeat(100);
    await new Client([cluster.master.url]).append(text, { writeConcern: "all" });
    await page.press("receipt", "master");
    const { url } = await page.one("link", "the whole message");
    assert.equal(url, `${cluster.master.url}/messages/0`);
    assert.equal((await cluster.master.get(new URL(url).pathname)).message, text);
  });

  live("marked_messages_are_named_until_they_are_marked_no_more", {}, async (page) => {
    await page.append("marked", 3);
    await page.says(/message 0: answered 201/);
    const mark = async () => {
      await page.press("receipt", "master");
      await page.says(/has it/);
      await page.press("mark on the timeline");
      await page.says(/Message 0 is marked\./);
    };
    const isMarked = () => document.querySelector(".tl-picking") !== null;
    await mark();
    await page.until("others are dimmed", isMarked);
    await page.key("Escape");
    await page.until("Escape ends it", () => document.querySelector(".tl-picking") === null);
    await mark();
    await page.press("unmark");
    await waitUntil("the button ends it", async () => !(await page.evaluate(isMarked)));
    assert.deepEqual(await page.find("button", "unmark"), []);
  });

  live("a_marked_message_out_of_the_window_is_shown", {}, async (page) => {
    await page.append("long ago", 3);
    await page.says(/message 0: answered 201/);
    await page.option("length of the window", "1");
    await waitUntil("the window is another", async () => (await page.marks({ ids: "0-1" })).length === 0);
    await page.press("receipt", "master");
    await page.says(/has it/);
    await page.press("mark on the timeline");
    await page.marked({ ids: "0-1", kind: "stored", node: "bonnie" });
    await page.says(/frozen/);
    await page.frame();
    const [bar, hand, end] = await page.evaluate(() => {
      const places = ['.tl-mark[data-look="bar"]', ".tl-hand", ".tl-svg"];
      return places.map((it) => document.querySelector(it).getBoundingClientRect().right);
    });
    assert.ok(bar < hand - 50 && hand < end - 50, "its words have room, before the moment shown and in the window");
  });

  live("each_step_back_shows_lists_that_agree_with_what_is_told", {}, async (page) => {
    await page.append("stepped", 3);
    await page.says(/message 0: answered 201/);
    await page.lists("clyde", ["stepped"]);
    await page.toggle("freeze", undefined, true);
    const facts = () => page.evaluate(() => document.querySelector(".tl-facts").textContent);
    const seen = [];
    await waitUntil("it was accepted", async () => {
      await page.press("step back");
      await page.frame();
      const [told, lists] = [await facts(), await Promise.all(NODES.map((node) => page.list(node)))];
      seen.push(told);
      if (/acked message 0: 3 of 3|answered/.test(told)) assert.deepEqual(lists.flat().length, 3, told);
      return /accepted message 0/.test(told) && lists.flat().length < 3;
    });
    assert.ok(seen.some((told) => /acked message 0/.test(told)), seen.join("\n"));
    await waitUntil("it is stored everywhere again", async () => {
      await page.press("step on");
      await page.frame();
      return (await Promise.all(NODES.map((node) => page.list(node)))).flat().length === 3;
    });
    await page.press("back to now");
  });

  live("texts_of_messages_are_shown_as_texts_whatever_is_in_them", TALL, async (page, cluster) => {
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
    await page.slide("moment", 0);
    await page.says(/no earlier event: a live page keeps 60 s/);
    await page.toggle("freeze", undefined, false);
    await page.lists("bonnie", ["first", "second"]);
  });

  live("a_frozen_page_says_why_its_buttons_break_nothing", {}, async (page) => {
    await page.toggle("freeze", undefined, true);
    const [cut] = await page.find("button", "cut", "bonnie");
    assert.ok(cut.disabled);
    await page.click(cut);
    await page.says(/page is frozen: press back to now first/, "bonnie");
    assert.doesNotMatch(await page.text("clyde"), /frozen/);
    await page.press("back to now");
    await waitUntil("it says so no more", async () => !/frozen/.test(await page.text("bonnie")));
    await page.isPressed("cut", "bonnie", false);
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
    await page.says(new RegExp(`Saved as ${path.basename(file)}`));
    assert.ok(items.some(({ data }) => data.kind === "dropped"));
    // On the page of another node, which knows nothing of it.
    const other = await Page.open(browser, cluster.nodes[1].url);
    t.after(() => other.close());
    other.choose(file);
    await other.press("open");
    await other.says(/recording/);
    await other.says(/the minute before \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
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
    await page.resize(1280, 800);
    await page.press("step back");
    const axis = () => document.querySelector(".tl-axis").getBoundingClientRect().bottom <= innerHeight;
    await page.until("the lanes are in sight, and the steps are", axis);
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
      await page.lists("master", ["before"]);
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
});
