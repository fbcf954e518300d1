/** A node that answers as a case of cases.json has it, connection by connection. */

import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const LOG = "0a1b2c3d000102030405060708090a0b";

/**
 * Listens on the ports of a case's nodes, and plays its connections in their order. Collects as
 * `faults` each request that is not the expected one.
 */
export class ScriptedNodes {
  faults = [];
  urls = [];
  #script;
  #played = 0;
  #lastEnd = 0;
  #keys = [];
  #servers = [];
  #sockets = new Set();

  constructor(testCase) {
    this.#script = testCase.connections;
  }

  static async start(testCase) {
    const nodes = new ScriptedNodes(testCase);
    for (let node = 0; node < (testCase.nodes ?? 1); node += 1) {
      const server = net.createServer({ noDelay: true }, (socket) => nodes.#play(node, socket));
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      nodes.urls.push(`http://127.0.0.1:${server.address().port}`);
      if (testCase.absent?.includes(node)) server.close();
      else nodes.#servers.push(server);
    }
    return nodes;
  }

  /** Ends all connections. Each one of the script must have been made. */
  close() {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
    if (this.#played !== this.#script.length) {
      this.faults.push(`${this.#played} of ${this.#script.length} connections were made`);
    }
  }

  async #play(node, socket) {
    this.#sockets.add(socket);
    // The client may leave when it has all that it wanted.
    socket.on("error", () => {});
    // After an aborted request, fetch opens a connection ahead of its next one.
    const request = await readRequest(socket);
    if (request === undefined) return;
    const step = this.#script[this.#played];
    this.#played += 1;
    if (step === undefined) {
      this.faults.push("there was one more connection");
      socket.destroy();
      return;
    }
    const number = this.#played;
    const faults = this.#check(step, node, request);
    this.faults.push(...faults.map((fault) => `connection ${number}: ${fault}`));
    await answer(socket, step);
    this.#lastEnd = performance.now();
    if (["cut", "whole"].includes(step.ends) || step.body || step.text) socket.end();
  }

  #check(step, node, { target, headers, body }) {
    const faults = [];
    const expect = (name, expected, seen) => {
      const [left, right] = [JSON.stringify(expected), JSON.stringify(seen)];
      if (left !== right) faults.push(`${name} is ${right}, and not ${left}`);
    };
    const { asks = {} } = step;
    const url = new URL(target, "http://node");
    expect("the node", step.node ?? 0, node);
    expect("the path", "/messages", url.pathname);
    if (asks.query) {
      const { lastEventId, ...query } = Object.fromEntries(url.searchParams);
      // A proxy may drop one of them.
      expect("the cursor of the query", asks.cursor, lastEventId);
      expect("the cursor of the header", asks.cursor, headers["last-event-id"]);
      expect("the query", asks.query, query);
      expect("what is accepted", "text/event-stream", headers.accept);
    }
    if (asks.body) {
      const { timeoutMs, ...sent } = JSON.parse(body);
      const isRight = asks.timeout_ms
        ? timeoutMs === asks.timeout_ms
        : timeoutMs >= 0 && timeoutMs < 30_000;
      if (!isRight) faults.push(`timeoutMs is ${timeoutMs}`);
      for (const name of new Set([...Object.keys(asks.body), ...Object.keys(sent)])) {
        expect(`${name} of the body`, asks.body[name], sent[name]);
      }
      const key = headers["idempotency-key"];
      this.#keys.push(key);
      expect("the key", asks.key ?? this.#keys[0], key);
      const isDrawn = /^[0-9a-f]{32}$/.test(key);
      if (!asks.key && !isDrawn) faults.push(`${key} is no key that was drawn`);
    }
    const waited = performance.now() - this.#lastEnd;
    if (waited < (step.after_seconds ?? 0) * 1000) faults.push(`it came after ${waited} ms`);
    return faults;
  }
}

/**
 * Reads a request of HTTP/1.1: its target, its headers by lower-case names, its body. Undefined:
 * none came.
 */
function readRequest(socket) {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const [head, body] = text.split("\r\n\r\n");
      const [first, ...lines] = head.split("\r\n");
      const headers = Object.fromEntries(
        lines.map((line) => {
          const colon = line.indexOf(":");
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
        }),
      );
      if (body === undefined || body.length < Number(headers["content-length"] ?? 0)) return;
      const bytes = Buffer.from(body, "latin1").toString();
      resolve({ target: first.split(" ")[1], headers, body: bytes });
    });
    socket.on("close", () => resolve(undefined));
  });
}

/** Sends what a step has: a stream, a body as a whole, or nothing. */
async function answer(socket, step) {
  if (step.sends) {
    await sendStream(socket, step);
  } else if (step.status) {
    const body = Buffer.from(step.text ?? `${JSON.stringify(step.body)}\n`);
    const isProblem = step.body && step.status >= 400;
    const kind = step.text ? "text/html" : "application/json";
    const headers = {
      "Content-Type": isProblem ? "application/problem+json" : kind,
      "Content-Length": body.length + (step.ends === "cut" ? 1 : 0),
      Connection: "close",
      ...step.headers,
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${step.status} Said\r\n${lines.join("")}\r\n`);
    socket.write(body);
  }
}

/** Sends events in chunks of `pieces` bytes, or each of `sends` as one. */
async function sendStream(socket, step) {
  const head = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  let sends = step.sends.map((text) => Buffer.from(text));
  if (step.opens !== undefined) {
    const [end, log] = [step.opens, step.log === undefined ? LOG : step.log];
    const data = JSON.stringify({ log, epoch: 1, start: 0, end, next: end, readConcern: 1 });
    sends.unshift(Buffer.from(`: acklog\nretry: 1000\n\nevent: open\ndata: ${data}\n\n`));
  }
  if (step.pieces) {
    const whole = Buffer.concat(sends);
    const count = Math.ceil(whole.length / step.pieces);
    sends = Array.from({ length: count }, (_, n) =>
      whole.subarray(n * step.pieces, (n + 1) * step.pieces),
    );
  }
  for (const chunk of sends) {
    socket.write(`${chunk.length.toString(16)}\r\n`);
    socket.write(chunk);
    socket.write("\r\n");
    // So that it is read before the next one is sent.
    await sleep(0);
  }
  if (step.ends === "whole") socket.write("0\r\n\r\n");
}
