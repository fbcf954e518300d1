/** Tests of acklog.js: the cases of cases.json on scripted nodes, and a real cluster. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { AcklogError, Client } from "../acklog.js";
import { ScriptedNodes } from "./scripted.js";

const cases = JSON.parse(readFileSync(new URL("cases.json", import.meta.url), "utf8"));

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
      name in TIMES ? [TIMES[name], value * 1000] : [NAMES[name] ?? name, value],
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
    for await (const { gap, id, text, cursor, batch } of client.follow(named(testCase.follow))) {
      if (gap) seen.push({ gap: [gap.start, gap.end, gap.why] });
      else seen.push([id, text, cursor, ...(batch === undefined ? [] : [batch])]);
      if (seen.length === count) break;
    }
  } finally {
    assert.deepEqual(seen, testCase.items);
  }
}

for (const each of cases) {
  test(each.name, async (t) => {
    const nodes = await ScriptedNodes.start(each);
    t.after(() => nodes.close());
    const client = new Client(nodes.urls, { silenceMs: (each.silence ?? 30) * 1000 });
    let error;
    try {
      await (each.append ? append : follow)(client, each);
    } catch (raised) {
      if (!(raised instanceof AcklogError)) throw raised;
      error = { code: raised.code ?? null, outcome: raised.outcome, detail: raised.message };
      error = Object.fromEntries(Object.keys(each.error ?? error).map((k) => [k, error[k]]));
    }
    assert.deepEqual(error, each.error);
    nodes.close();
    assert.deepEqual(nodes.faults, []);
  });
}
