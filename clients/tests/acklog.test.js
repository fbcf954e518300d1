/** Tests of acklog.js: the cases of cases.json on scripted nodes, and a real cluster. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import test from "node:test";

import { AcklogError, Client } from "../acklog.js";
import { Cluster } from "./cluster.js";
import { ScriptedNodes } from "./scripted.js";

const [cases, mistakes] = ["cases.json", "mistakes.json"].map((name) =>
  JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8")),
);

/** So that a test that waits in vain fails. */
const PATIENCE = { timeout: 60_000 };

/** The client's names of the options in the cases, and of times, which it has in milliseconds. */
const NAMES = {
  write_concern: "writeConcern",
  expected_end: "expectedEnd",
  read_concern: "readConcern",
  acked_by: "ackedBy",
  is_replay: "isReplay",
};
const TIMES = { timeout: "timeoutMs", give_up_after: "giveUpAfterMs" };

function named(options) {
  return Object.fromEntries(
    Object.entries(options ?? {}).map(([name, value]) =>
      name in TIMES ? [TIMES[name], value && value * 1000] : [NAMES[name] ?? name, value],
    ),
  );
}

async function append(client, testCase) {
  const { text, texts, ...options } = named(testCase.append);
  const appended = texts ? client.appendBatch(texts, options) : client.append(text, options);
  assert.deepEqual(await appended, named(testCase.appended));
}

async function follow(client, testCase) {
  const seen = [];
  // One that fails in the end is asked for one more item.
  const count = testCase.items.length + (testCase.error ? 1 : 0);
  try {
    const options = { ...named(testCase.follow), onLost: () => {} };
    for await (const { gap, id, text, cursor, batch } of client.follow(options)) {
      if (gap) seen.push({ gap: [gap.start, gap.end, gap.why] });
      else seen.push([id, text, cursor, ...(batch === undefined ? [] : [batch])]);
      if (seen.length === count) break;
    }
  } finally {
    assert.deepEqual(seen, testCase.items);
  }
}

for (const each of cases) {
  test(each.name, PATIENCE, async (t) => {
    const nodes = await ScriptedNodes.start(each);
    t.after(() => nodes.close());
    const client = new Client(nodes.urls, { silenceMs: (each.silence ?? 30) * 1000 });
    let error;
    try {
      await (each.append ? append : follow)(client, each);
    } catch (raised) {
      if (!(raised instanceof AcklogError)) throw raised;
      const told = { code: raised.code ?? null, outcome: raised.outcome, detail: raised.message };
      error = Object.fromEntries(Object.keys(each.error ?? told).map((name) => [name, told[name]]));
    }
    assert.deepEqual(error, each.error);
    nodes.close();
    assert.deepEqual(nodes.faults, []);
  });
}

/** Starts a node that falls silent after its only message; `gone` resolves when a client leaves. */
async function silentNode(t) {
  const server = http.createServer((request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write('id: 0a1b2c3d.1.0\ndata: {"id":0,"message":"a"}\n\n');
    server.emit("asked", response);
  });
  server.listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const gone = once(server, "asked").then(([response]) => once(response, "close"));
  return { client: new Client(`127.0.0.1:${server.address().port}`), gone };
}

// Mistakes of the program are reported at once, and nothing is sent.

test("what_is_no_url_is_refused", () => {
  for (const url of mistakes.urls) {
    const isTold = ({ message }) => /no URL of a node/.test(message) && !/secret/.test(message);
    assert.throws(() => new Client(url), isTold, url);
  }
  for (const url of mistakes.good_urls) assert.ok(new Client(url));
});

test("what_is_no_cursor_is_refused", () => {
  const client = new Client("localhost:1");
  for (const cursor of mistakes.cursors) {
    assert.throws(() => client.follow({ cursor }), /is no cursor/);
  }
});

test("what_is_no_key_is_refused", PATIENCE, async () => {
  const client = new Client("localhost:1");
  for (const key of mistakes.keys) {
    await assert.rejects(client.append("a", { key }), /is no key/, key);
  }
});

test("a_port_to_which_fetch_does_not_connect_is_refused", PATIENCE, async () => {
  // The default of --comm-port, which is easily taken for the HTTP port.
  const client = new Client("localhost:6000");
  const told = { message: /no such port/, outcome: "refused" };
  await assert.rejects(client.append("a"), told);
  await assert.rejects(client.follow().next(), told);
});

test("an_error_that_is_not_the_network_s_is_not_hidden", PATIENCE, async (t) => {
  t.mock.method(globalThis, "Request", () => {
    throw new TypeError("this cannot be asked for");
  });
  const client = new Client("localhost:1");
  await assert.rejects(client.append("a"), TypeError);
  await assert.rejects(client.follow().next(), TypeError);
});

test("options_of_javascript_alone_that_are_null_are_as_good_as_absent", PATIENCE, async (t) => {
  t.mock.method(console, "warn", () => {});
  const append = { asks: { body: { message: "a" } } };
  const stored = { ...append, status: 201, body: { id: 3, writeConcern: 1, ackedBy: ["master"] } };
  const away = { asks: { query: {} }, status: 502, text: "<html>" };
  const message = 'id: 0a1b2c3d.1.0\ndata: {"id":0,"message":"a"}\n\n';
  const there = { asks: { query: {} }, opens: 0, sends: [message] };
  const nodes = await ScriptedNodes.start({ connections: [stored, away, there] });
  t.after(() => nodes.close());
  const client = new Client(nodes.urls, { silenceMs: null });
  assert.equal((await client.append("a", { timeoutMs: null, signal: null })).id, 3);
  const items = client.follow({ onLost: null, signal: null });
  assert.equal((await items.next()).value.text, "a");
  await items.return();
  assert.equal(console.warn.mock.callCount(), 1);
  assert.deepEqual(nodes.faults, []);
});

test("an_append_and_a_follower_may_wait_for_ever", PATIENCE, async (t) => {
  const timers = t.mock.method(globalThis, "setTimeout");
  const stored = {
    asks: { body: { message: "a" }, timeout_ms: 216_000 },
    status: 201,
    body: { id: 0, writeConcern: 1, ackedBy: ["master"] },
  };
  const away = { asks: { query: {} }, status: 502, text: "<html>" };
  const message = 'id: 0a1b2c3d.1.0\ndata: {"id":0,"message":"a"}\n\n';
  const there = { asks: { query: {} }, opens: 0, sends: [message] };
  for (const endless of [Infinity, 30 * 24 * 3_600_000]) {
    const nodes = await ScriptedNodes.start({ connections: [stored, away, there] });
    t.after(() => nodes.close());
    const client = new Client(nodes.urls, { silenceMs: endless });
    await client.append("a", { timeoutMs: endless });
    const items = client.follow({ giveUpAfterMs: endless, onLost: () => {} });
    await items.next();
    await items.return();
    assert.deepEqual(nodes.faults, []);
  }
  // A longer one would end at once.
  const isBounded = timers.mock.calls.every((call) => call.arguments[1] < 2 ** 31);
  assert.ok(isBounded && timers.mock.callCount() > 0);
});

test("what_is_no_time_is_refused", PATIENCE, async () => {
  for (const time of [NaN, "1000"]) {
    const told = /is no time in milliseconds/;
    assert.throws(() => new Client("localhost:1", { silenceMs: time }), told);
    const client = new Client("localhost:1");
    assert.throws(() => client.follow({ giveUpAfterMs: time }), told);
    await assert.rejects(client.append("a", { timeoutMs: time }), told);
  }
});

test("attempts_that_fail_in_the_same_way_are_told_once", PATIENCE, async (t) => {
  const away = { asks: { query: {} }, status: 502, text: "<html>" };
  const message = 'id: 0a1b2c3d.1.0\ndata: {"id":0,"message":"a"}\n\n';
  const there = { asks: { query: {} }, opens: 0, sends: [message] };
  const nodes = await ScriptedNodes.start({ connections: [away, away, away, there] });
  t.after(() => nodes.close());
  const lost = [];
  const items = new Client(nodes.urls).follow({ onLost: ({ message }) => lost.push(message) });
  await items.next();
  await items.return();
  assert.equal(lost.length, 1, lost.join());
});

test("leaving_the_loop_closes_the_connection", PATIENCE, async (t) => {
  const { client, gone } = await silentNode(t);
  for await (const { text } of client.follow()) {
    assert.equal(text, "a");
    break;
  }
  await gone;
});

test("a_signal_ends_a_follower_that_waits_and_closes_its_connection", PATIENCE, async (t) => {
  const { client, gone } = await silentNode(t);
  const controller = new AbortController();
  const items = client.follow({ signal: controller.signal });
  await items.next();
  const next = items.next();
  controller.abort(new Error("enough"));
  await assert.rejects(next, { message: "enough" });
  await gone;
});

test("a_signal_ends_what_waits_for_a_node_to_come_back", PATIENCE, async () => {
  const nodes = await ScriptedNodes.start({ connections: [], absent: [0] });
  const client = new Client(nodes.urls);
  const controller = new AbortController();
  const { signal } = controller;
  const appending = client.append("a", { signal });
  const following = client.follow({ signal, onLost: () => controller.abort() }).next();
  await assert.rejects(following, { name: "AbortError" });
  await assert.rejects(appending, { name: "AbortError" });
});

test("a real cluster", { timeout: 180_000 }, async (t) => {
  const cluster = await Cluster.start(t);

  await t.test("the_master_is_found_and_a_key_is_stored_once", async () => {
    const client = new Client([...cluster.urls].reverse());
    const first = await client.append("a", { writeConcern: "all", key: "order-17" });
    const again = await client.append("a", { writeConcern: 1, key: "order-17" });
    assert.deepEqual([first.id, first.writeConcern, first.isReplay], [0, 3, false]);
    assert.deepEqual([again.id, again.isReplay], [0, true]);
    assert.equal((await client.appendBatch(["b", "c"], { writeConcern: "all" })).count, 2);
    const refused = client.append("another", { key: "order-17" });
    await assert.rejects(refused, { code: "key-reused", outcome: "refused" });
  });

  await t.test("each_node_can_be_followed_and_a_cursor_goes_on_behind_its_message", async () => {
    const texts = ["naïve 漢字 🦀", "\u2028\u2029\u0085\r\n\v\f", "d"];
    await new Client(cluster.urls).appendBatch(texts, { writeConcern: "all" });
    for (const { url } of cluster.nodes) {
      const cursors = await taken(new Client(url).follow(), 0, ["a", "b", "c", ...texts]);
      for (const [n, cursor] of cursors.slice(2, -1).entries()) {
        // Some of them are inside the batch.
        await taken(new Client(url).follow({ cursor }), 3 + n, texts.slice(n));
      }
      await taken(new Client(url).follow({ last: 2 }), 4, texts.slice(1));
    }
  });

  for (const node of cluster.nodes) {
    const name = `${node.name}_that_is_killed_while_it_is_followed_loses_and_repeats_nothing`;
    await t.test(name, () => followAcrossKills(cluster, node));
  }

  await t.test("a_cursor_of_another_log_is_an_error", async () => {
    for (const { url } of cluster.nodes) {
      const next = new Client(url).follow({ cursor: "00000000.1.0" }).next();
      await assert.rejects(next, { code: "other-log" });
    }
  });
});

async function followAcrossKills(cluster, node) {
  const writer = new Client(cluster.urls);
  let end = (await cluster.master.get("/health")).logEnd;
  const items = new Client(node.url).follow({ start: end, onLost: () => {} });
  for (let round = 0; round < 4; round += 1) {
    const texts = Array.from({ length: 20 }, (_, n) => `Msg${end + n}`);
    for (const text of texts.slice(0, 3)) await writer.append(text);
    await writer.appendBatch(texts.slice(3, 10), { writeConcern: "all" });
    // Its node goes while the program is in the middle of a batch.
    await assertNext(items, end, texts.slice(0, 5));
    await node.kill();
    const appended = writer.appendBatch(texts.slice(10), { writeConcern: 2 });
    await node.start();
    await appended;
    await assertNext(items, end + 5, texts.slice(5));
    end += 20;
  }
  await items.return();
}

/** Takes as many messages, compares their ids and texts, and returns their cursors. */
async function assertNext(items, first, texts) {
  const seen = [];
  while (seen.length < texts.length) seen.push((await items.next()).value);
  const shown = seen.map(({ id, text }) => [id, text]);
  assert.deepEqual(shown, texts.map((text, n) => [first + n, text]));
  return seen.map(({ cursor }) => cursor);
}

/** The same, and ends the follower. */
async function taken(items, first, texts) {
  const cursors = await assertNext(items, first, texts);
  await items.return();
  return cursors;
}
