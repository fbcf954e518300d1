/**
 * A client of acklog: appends messages, and follows the log across reconnects.
 *
 * One ES module for Node 18 or later and for browsers, without dependencies.
 *
 *     import { Client } from "./acklog.js";
 *
 *     const client = new Client("http://localhost:8000,http://localhost:8001");
 *     await client.append("hello", { writeConcern: "majority" });
 *     for await (const item of client.follow({ cursor: storedCursor })) {
 *       if (item.gap) …                        // messages that are gone
 *       else …                                 // item.id, item.text; then store item.cursor
 *     }
 *
 * A cursor is a text, "<first 8 digits of the log's id>.<epoch>.<id>". Store the one of the last
 * message that you handled, together with its effect; follow({ cursor }) goes on behind it.
 *
 * A page in a browser reaches the node that it was loaded from, and no other: leave the URLs out.
 *
 * @typedef {{id: number, count: number, writeConcern: number, ackedBy: string[],
 *   isReplay: boolean}} Appended
 *   `isReplay`: an earlier attempt under the same key had stored it.
 * @typedef {{id: number, text: string, cursor: string, batch?: number}} Message
 *   `batch` is the first id of the batch that it is a part of.
 * @typedef {{gap: {start: number, end: number, why: "trimmed" | "cut"}}} Gap
 *   The messages from `start` up to, and not including, `end` are gone; those behind them follow.
 *   Until one of these was read, a gap is told again after a reconnect if it has grown.
 */

/**
 * This part of the time that is left goes to the node as timeoutMs, so that its answer, which tells
 * what became of the message, comes in time.
 */
const NODES_SHARE = 0.9;
/**
 * Longest time of one attempt of an append, in milliseconds; then the message is sent again under
 * its key. Shorter: messages that wait long for their write concern are sent needlessly often.
 * Longer: a node that vanished without a word is waited for in vain, and fetch gives up by itself
 * (after 300 s in Node).
 */
const ATTEMPT_MAX = 240_000;
/** Longest time that a timer takes, in milliseconds, 24 days. One that is longer ends at once. */
const TIMER_MAX = 2 ** 31 - 1;
/**
 * The first and the longest pause before a request is repeated, in milliseconds. Each is drawn
 * between a half and the whole of its length, so that clients that failed together do not come back
 * together.
 */
const [PAUSE_FIRST, PAUSE_MAX] = [50, 2000];
const CURSOR = /^[0-9a-fA-F]{8}\.[0-9]+\.[0-9]+$/;
const KEY = /^[!-~]{1,128}$/;
const LF = 10;
const CR = 13;

// Node 18 has it in a module only.
const crypto = globalThis.crypto ?? (await import("node:crypto")).webcrypto;

/** A request that failed for good: no further attempt is made. */
export class AcklogError extends Error {
  constructor(detail, options = {}) {
    const { retry = false, outcome = "refused", problem = {}, retryAfterMs = 0, cause } = options;
    super(detail, { cause });
    this.name = "AcklogError";
    /** The node's own problem body; empty where none came. */
    this.problem = problem;
    /** The reason in one word; undefined where no node answered. */
    this.code = problem.code;
    /**
     * Of an append. `refused`: the message is not in the log, and never will be. `stored`: it is,
     * and is replicated further. `unknown`: it may be; append it again under the same key.
     */
    this.outcome = outcome;
    /** Whether the same request may succeed later. */
    this.retry = retry;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * A client of the nodes with these URLs, in any order: appends find the master among them,
 * followers take them in turn.
 */
export class Client {
  #nodes;
  #silenceMs;

  /**
   * @param {string | string[]} [urls] The nodes, in an array or separated by commas. Without them:
   *   the node that the page was loaded from.
   * @param {{silenceMs?: number}} [options] `silenceMs` is the time after which a follower that
   *   hears nothing connects again, Infinity: it never does; a node sends something every 10 s.
   * @throws {TypeError} for a URL that cannot be a node's.
   */
  constructor(urls, options) {
    const nodes = urls ?? globalThis.location?.origin ?? [];
    const each = Array.isArray(nodes) ? nodes : nodes.split(",");
    if (each.length === 0) throw new TypeError("the URL of a node is missing");
    this.#nodes = each.map((url) => checkedUrl(url.trim()));
    this.#silenceMs = checkedTime(options?.silenceMs ?? 30_000);
  }

  /**
   * Appends a message and waits until its write concern holds.
   *
   * It is sent again, under the same idempotency key, until it is answered or `timeoutMs` have
   * passed, Infinity: for ever; however often that is, it is stored once. Without a `key` the call
   * draws one. With `expectedEnd` it is stored only if that will be its id. Where `signal` is
   * aborted, the message may be in the log.
   *
   * @param {string} text
   * @param {{writeConcern?: number | string, key?: string, timeoutMs?: number,
   *   expectedEnd?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<Appended>}
   * @throws {AcklogError} its `outcome` tells whether the message may be in the log.
   * @throws {TypeError} where the key is not 1 to 128 visible ASCII characters; nothing is sent.
   */
  append(text, options) {
    return this.#append({ message: text }, options);
  }

  /**
   * Appends messages with consecutive ids, all or none of them; otherwise as `append`.
   *
   * @param {string[]} texts
   */
  appendBatch(texts, options) {
    return this.#append({ messages: texts }, options);
  }

  /**
   * Yields the messages of the log, and the gaps in it, and waits for new ones, for ever.
   *
   * It begins behind the `cursor`; without one at the id `start`, at the `last` n messages, at
   * those accepted `since` an instant (RFC 3339), or at the log's first. It connects when the first
   * item is asked for, and again whenever the connection is lost: nothing is lost or repeated. A
   * batch is yielded when all of it has come. Leaving the loop closes the connection.
   *
   * @param {{start?: number, last?: number, since?: string, cursor?: string,
   *   readConcern?: number | string, giveUpAfterMs?: number, signal?: AbortSignal,
   *   onLost?: (error: AcklogError, node: string) => void}} [options]
   *   `onLost` is called when a connection is lost, or not made, once for attempts that fail in the
   *   same way; by default it warns on the console. After `giveUpAfterMs` without a connection the
   *   follower fails, after the attempt that is under way then.
   * @returns {AsyncGenerator<Message | Gap>}
   * @throws {TypeError} at once, where the cursor or a time is none.
   * @throws {AcklogError} where going on makes no sense. Its code is `other-log` where the cursor
   *   is of another log than the node's, and `out-of-order` where the stream does not go on at the
   *   position. A bad request is an error where each node refused it, since only a master knows
   *   every read concern. The signal's reason where `signal` is aborted.
   */
  follow(options) {
    const { start, last, since, cursor, ...others } = given(options);
    checkedTime(others.giveUpAfterMs ?? Infinity);
    if (cursor !== undefined && !CURSOR.test(cursor)) {
      const shown = JSON.stringify(cursor);
      throw new TypeError(`${shown} is no cursor: store that of a message as it is`);
    }
    const from = start === undefined ? undefined : Number(start);
    return this.#follow(new Position({ from, last, since }, cursor), others);
  }

  async *#follow(position, options) {
    const { readConcern, signal, giveUpAfterMs = Infinity, onLost = warn } = options;
    const nodes = [...this.#nodes];
    let [node] = nodes;
    const until = new Map();
    let pauses = new Pauses();
    let lostAt = performance.now();
    // Told since the last item. While a node is away, each attempt fails alike.
    let told = new Set();
    // The nodes that refused the request as a bad one, without another answer in between.
    let refusing = new Set();
    for (;;) {
      let reason = new AcklogError("the node ended the stream");
      try {
        for await (const item of this.#followNode(node, position, readConcern, signal)) {
          lostAt = undefined;
          refusing = new Set();
          if (item === undefined) continue;
          [pauses, told] = [new Pauses(), new Set()];
          yield item;
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof AcklogError)) throw error;
        // A secondary knows some read concerns only, and sends those who need another one to the
        // master.
        const isBad = error.problem.status === 400;
        refusing = new Set(isBad ? [...refusing, node] : []);
        const isElsewhere = isBad && nodes.some((each) => !refusing.has(each));
        if (!error.retry && !isElsewhere) throw error;
        reason = error;
      }
      const now = performance.now();
      lostAt ??= now;
      const loss = `${node} ${reason.message}`;
      if (!told.has(loss)) onLost(reason, node);
      told.add(loss);
      until.set(node, now + reason.retryAfterMs);
      nodes.push(...nodes.splice(nodes.indexOf(node), 1));
      const next = soonest(nodes, until, now + pauses.next());
      const giveUpAt = lostAt + giveUpAfterMs;
      await sleep(Math.min(next.at, giveUpAt) - performance.now(), signal);
      if (next.at >= giveUpAt) {
        const detail = `no node could be followed, at last: ${reason.message}`;
        throw new AcklogError(detail, { cause: reason });
      }
      node = next.node;
    }
  }

  async #append(messages, options) {
    const { writeConcern, expectedEnd, signal, ...rest } = given(options);
    const { key = randomKey(), timeoutMs = 30_000 } = rest;
    if (!KEY.test(key)) {
      const shown = JSON.stringify(key);
      throw new TypeError(`${shown} is no key: it must be 1 to 128 visible ASCII characters`);
    }
    const deadline = performance.now() + checkedTime(timeoutMs);
    const pauses = new Pauses();
    const until = new Map();
    // The nodes that said in a row that they are not the master.
    let strangers = new Set();
    let last;
    let [node] = this.#nodes;
    for (;;) {
      const left = Math.min(Math.max(deadline - performance.now(), 1), ATTEMPT_MAX);
      const inTime = Math.floor(left * NODES_SHARE);
      const body = { ...messages, writeConcern, expectedEnd, timeoutMs: inTime };
      try {
        return await post(node, JSON.stringify(body), key, left, signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof AcklogError)) throw error;
        until.set(node, performance.now() + error.retryAfterMs);
        strangers = new Set(error.code === "not-the-master" ? [...strangers, node] : []);
        last = last ? combined(last, error) : error;
      }
      const others = this.#nodes.filter((each) => !strangers.has(each));
      const isElsewhere = strangers.size > 0 && others.length > 0;
      if (!last.retry && !isElsewhere) throw last;
      const now = performance.now();
      const next = isElsewhere
        ? soonest(others, until, now)
        : soonest(last.code ? [node] : this.#nodesBehind(node), until, now + pauses.next());
      if (next.at >= deadline) throw last;
      node = next.node;
      this.#putFirst(node);
      await sleep(next.at - performance.now(), signal);
    }
  }

  /** Returns the nodes, with this one last. */
  #nodesBehind(node) {
    const at = this.#nodes.indexOf(node) + 1;
    return [...this.#nodes.slice(at), ...this.#nodes.slice(0, at)];
  }

  /** Appends ask this node next. */
  #putFirst(node) {
    this.#nodes.unshift(...this.#nodes.splice(this.#nodes.indexOf(node)));
  }

  /**
   * Yields what one connection brings, up to its end; undefined for an event that moves no
   * position.
   */
  async *#followNode(node, position, readConcern, signal) {
    const { query, headers } = position.request();
    if (readConcern !== undefined) query.set("readConcern", readConcern);
    const call = new Call(node, signal);
    try {
      const request = { headers: { accept: "text/event-stream", ...headers } };
      const response = await call.fetch(`/messages?${query}`, request, this.#silenceMs);
      if (response.status !== 200) {
        const refusal = refused(response, await call.within(this.#silenceMs, response.text()));
        if (refusal.code !== "trimmed" || !position.isBeforeFirst) throw refusal;
        yield position.trimmedTo(refusal.problem.start);
        return;
      }
      if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
        throw new AcklogError(`the answer of ${node} is no event stream: is it a node?`);
      }
      const [reader, parser] = [response.body.getReader(), new EventParser()];
      for (;;) {
        const { value, done } = await call.within(this.#silenceMs, reader.read());
        if (done) return;
        for (const event of parser.events(value)) yield* position.items(event);
      }
    } finally {
      call.end();
    }
  }
}

/** The place where a follower goes on. It outlives connections. */
class Position {
  #begin;
  #cursor;
  /** The id of the log, or its first digits; undefined: not known yet. */
  #log;
  /** The gap behind the cursor that was yielded already, as text. */
  #gap;
  /** The id that must come next on this connection; undefined: the node chooses where to begin. */
  #expected;
  /** The id that comes next, as the node reports it; undefined: not reported yet. */
  #next;
  /** The members of a batch that have come. */
  #waiting = [];

  constructor(begin, cursor) {
    this.#begin = Object.entries(begin).filter(([, value]) => value !== undefined);
    this.#cursor = cursor;
    this.#log = cursor?.split(".")[0].toLowerCase();
  }

  /** Returns the query and the headers that ask for what comes next. */
  request() {
    // A batch comes again as a whole.
    [this.#waiting, this.#next] = [[], undefined];
    if (this.#cursor === undefined) {
      this.#expected = Object.fromEntries(this.#begin).from;
      return { query: new URLSearchParams(this.#begin), headers: {} };
    }
    this.#expected = Number(this.#cursor.split(".")[2]) + 1;
    // Some proxies drop headers that they do not know.
    const query = new URLSearchParams({ lastEventId: this.#cursor });
    return { query, headers: { "last-event-id": this.#cursor } };
  }

  /** Returns whether a node told where to begin, and no message was read yet. */
  get isBeforeFirst() {
    return this.#log !== undefined && this.#cursor === undefined;
  }

  /** Moves a position before the first message to the log's new start. */
  trimmedTo(start) {
    const gap = { start: this.#begin[0][1], end: start, why: "trimmed" };
    this.#begin = [["from", start]];
    return { gap };
  }

  /**
   * Returns the messages and gaps that an event brings, and moves with them; undefined for one that
   * moves nothing.
   */
  items({ name, id, data }) {
    if (name === "message") {
      this.#next = whole(data.id);
      this.#check();
      this.#expected = this.#next += 1;
      this.#waiting.push(data);
      // Members of a batch have no id, but for its last one: only then all have come.
      return id === undefined ? [] : this.#messages(id);
    }
    if (name === "gap") {
      const gap = { start: whole(data.from), end: whole(data.to), why: data.why };
      this.#expected = this.#next = gap.end;
      if (JSON.stringify(gap) === this.#gap) return [];
      this.#gap = JSON.stringify(gap);
      return [{ gap }];
    }
    if (name === "error") throw ofProblem(data);
    if (name === "open") this.#opened(data.log, whole(data.next));
    else if (name === "caughtup" || name === "tail") this.#check();
    return [undefined];
  }

  /** Moves behind the members that have come, and returns them. */
  #messages(lastId) {
    if (!CURSOR.test(lastId)) throw damaged(`${lastId} is no cursor`);
    // A batch is of one epoch.
    const logAndEpoch = lastId.slice(0, lastId.lastIndexOf("."));
    this.#checkLog(lastId.split(".")[0]);
    const messages = this.#waiting.map(({ id, message, batch }) => {
      const cursor = `${logAndEpoch}.${id}`;
      return { id, text: message, cursor, ...(batch === undefined ? {} : { batch }) };
    });
    [this.#waiting, this.#gap] = [[], undefined];
    this.#cursor = messages.at(-1).cursor;
    return messages;
  }

  #opened(log, next) {
    // A secondary that never joined its master knows no log yet.
    if (typeof log === "string") this.#checkLog(log);
    this.#next = next;
    if (this.#expected !== undefined) return;
    // "The last 10" or "since noon" would be another place at the next connection.
    [this.#expected, this.#begin] = [next, [["from", next]]];
  }

  /** Fails where this log, or its first digits, is not that of the position. */
  #checkLog(log) {
    const known = this.#log ?? "";
    if (!log.startsWith(known) && !known.startsWith(log)) {
      const detail = `the position is in the log ${known}, and the node has the log ${log}`;
      throw new AcklogError(detail, { problem: { code: "other-log" } });
    }
    this.#log = log.length > known.length ? log : known;
  }

  /** Fails where the stream does not go on at the position. A gap moves both. */
  #check() {
    const [next, expected] = [this.#next, this.#expected];
    if (expected === undefined || next === undefined || next === expected) return;
    const detail =
      `the node goes on at message ${next}, and not at ${expected}: if a proxy drops the query ` +
      "or the header Last-Event-ID, let it pass both on, or use the node's own URL";
    throw new AcklogError(detail, { problem: { code: "out-of-order" } });
  }
}

function whole(value) {
  if (!Number.isInteger(value)) throw damaged(`${value} is no whole number`);
  return value;
}

function damaged(why, cause) {
  return new AcklogError(`the stream is damaged: ${why}`, { retry: true, cause });
}

/** One request with all of its answer. It ends with the caller's signal, and by `end`. */
class Call {
  #node;
  #controller = new AbortController();
  #signal;
  #abort = () => this.#controller.abort();

  constructor(node, signal) {
    this.#node = node.replace(/\/$/, "");
    this.#signal = signal;
    signal?.throwIfAborted();
    signal?.addEventListener("abort", this.#abort);
  }

  fetch(path, options, limitMs) {
    const url = this.#node + path;
    // Fails where fetch would for another reason than the network's: both are a TypeError of fetch.
    new Request(url, options);
    const request = { ...options, signal: this.#controller.signal, cache: "no-store" };
    return this.within(limitMs, fetch(url, request));
  }

  /** Returns what `promise` brings. If it fails or takes longer, the call is over. */
  async within(limitMs, promise) {
    let isLate = false;
    const timer = after(limitMs, () => {
      isLate = true;
      this.#abort();
    });
    try {
      return await promise;
    } catch (cause) {
      const failure = cause.cause?.message ?? cause.message;
      // Said by Node; browsers do not tell it from other failures.
      if (failure === "bad port") {
        const detail = "fetch connects to no such port: name the node's HTTP port in its URL";
        throw new AcklogError(detail, { cause });
      }
      const why = isLate ? `nothing came for ${limitMs / 1000} s` : failure;
      throw new AcklogError(why, { retry: true, outcome: "unknown", cause });
    } finally {
      clearTimeout(timer);
    }
  }

  end() {
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#abort();
  }
}

/**
 * Returns the node that may be asked first, from a time on, and when. Of several it is the first of
 * the array. `until` has the times before which nodes want no request.
 */
function soonest(nodes, until, at) {
  const times = nodes.map((node) => ({ node, at: Math.max(until.get(node) ?? at, at) }));
  return times.reduce((first, each) => (each.at < first.at ? each : first));
}

function checkedTime(ms) {
  if (typeof ms === "number" && !Number.isNaN(ms)) return ms;
  throw new TypeError(`${JSON.stringify(ms)} is no time in milliseconds`);
}

/** Returns a URL with its scheme. */
function checkedUrl(url) {
  const full = url.includes("://") ? url : `http://${url}`;
  let parts = {};
  try {
    parts = new URL(full);
  } catch {
    // It has no protocol then.
  }
  const isHttp = /^https?:$/.test(parts.protocol) && parts.port !== "0";
  if (isHttp && !parts.username && !parts.password && !/[\s?#]/.test(url)) return full;
  // A password is not for logs.
  const shown = JSON.stringify(url.slice(url.lastIndexOf("@") + 1));
  throw new TypeError(`${shown} is no URL of a node: it must be like http://localhost:8000`);
}

/** Pauses between attempts, in milliseconds; they double up to a limit. */
class Pauses {
  #next = PAUSE_FIRST;

  next() {
    const pause = this.#next * (0.5 + Math.random() / 2);
    this.#next = Math.min(this.#next * 2, PAUSE_MAX);
    return pause;
  }
}

/** Sends an append to a node, once. */
async function post(node, body, key, limitMs, signal) {
  const call = new Call(node, signal);
  try {
    const deadline = performance.now() + limitMs;
    const headers = { "content-type": "application/json", "idempotency-key": key };
    const response = await call.fetch("/messages", { method: "POST", headers, body }, limitMs);
    const text = await call.within(deadline - performance.now(), response.text());
    if (response.status !== 201) throw refused(response, text);
    const isReplay = response.headers.get("idempotent-replayed") === "true";
    const { id, count = 1, writeConcern, ackedBy } = parsed(text);
    if (Number.isInteger(id)) return { id, count, writeConcern, ackedBy, isReplay };
    throw new AcklogError(`the answer of ${node} is not a node's`, { outcome: "unknown" });
  } finally {
    call.end();
  }
}

/** Returns the error of an answer that is no success. */
function refused(response, text) {
  const retryAfter = response.headers.get("retry-after") ?? "";
  const ms = /^[0-9]+$/.test(retryAfter) ? Math.min(Number(retryAfter) * 1000, TIMER_MAX) : 0;
  return ofProblem(parsed(text), response.status, ms);
}

function ofProblem(problem, status, retryAfterMs) {
  if (problem.code) {
    const { detail, title, code, retry = false, outcome } = problem;
    return new AcklogError(detail ?? title ?? code, { retry, outcome, problem, retryAfterMs });
  }
  // A proxy's answer, which may have passed the request on.
  const retry = status >= 500;
  const outcome = retry ? "unknown" : "refused";
  const detail = `the answer has status ${status} and is not a node's`;
  return new AcklogError(detail, { retry, outcome, retryAfterMs });
}

/** Returns the object that a text is in JSON; an empty one where it is none. */
function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/**
 * Returns the error of the last attempt, with what all attempts under one key tell of the message.
 */
function combined(before, attempt) {
  // The key was looked at first: no attempt stored it, and none can any more.
  if (attempt.code === "end-moved" && !attempt.retry) return attempt;
  if (before.outcome === "stored" || attempt.outcome === "stored") attempt.outcome = "stored";
  else if (before.outcome !== attempt.outcome) attempt.outcome = "unknown";
  return attempt;
}

/**
 * Takes a stream of events apart. Its lines are split as bytes, since a chunk may end inside a
 * character. An event without its closing blank line has not come.
 */
class EventParser {
  #decoder = new TextDecoder("utf-8", { fatal: true });
  /** The chunks that hold the line which has not ended yet. */
  #parts = [];
  #event = { name: "message", data: [] };

  /** Yields the events that end in this chunk. */
  *events(chunk) {
    let begin = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, begin)) {
      const line = joined([...this.#parts.splice(0), chunk.subarray(begin, end)]);
      begin = end + 1;
      const event = this.#take(line.at(-1) === CR ? line.subarray(0, -1) : line);
      if (event) yield event;
    }
    if (begin < chunk.length) this.#parts.push(chunk.subarray(begin));
  }

  /** Takes one line, and returns the event that it closes. */
  #take(line) {
    try {
      const text = this.#decoder.decode(line);
      if (text === "") {
        const { name, id, data } = this.#event;
        this.#event = { name: "message", data: [] };
        return data.length > 0 ? { name, id, data: object(data.join("\n")) } : undefined;
      }
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(text);
      if (field === "data") this.#event.data.push(value);
      else if (field === "event") this.#event.name = value;
      else if (field === "id") this.#event.id = value;
    } catch (cause) {
      throw damaged(cause.message, cause);
    }
    return undefined;
  }
}

/** Returns the object that a text is in JSON. */
function object(text) {
  const value = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new TypeError(`${text} is no object`);
  return value;
}

function joined(parts) {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Returns the options that are not null. Null means absent. */
function given(options) {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== null));
}

function warn(error, node) {
  console.warn(`acklog: ${node} is not followed: ${error.message}`);
}

/** Calls `action` after a time. Returns the timer; undefined where the time has no end. */
function after(ms, action) {
  return ms === Infinity ? undefined : setTimeout(action, Math.min(ms, TIMER_MAX));
}

/** Waits, or fails with the reason of the signal. */
function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = after(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort);
  });
}

/** Returns a random key. `crypto.randomUUID` is missing in pages that came over plain HTTP. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
