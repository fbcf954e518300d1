/** A headless Chromium, driven over its debugging pipe: messages in JSON, each ended by a NUL. */

import { spawn, spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { waitUntil } from "./cluster.js";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];

/** Returns the name of a browser that is installed here; undefined: there is none. */
export function installedBrowser() {
  return PROGRAMS.find((name) => spawnSync(name, ["--version"]).status === 0);
}

/** A tab. It emits what the browser tells of it, by the protocol's names of events. */
export class Tab extends EventEmitter {
  #browser;
  #session;

  constructor(browser, session) {
    super();
    this.#browser = browser;
    this.#session = session;
  }

  /** Calls a method of the debugging protocol. */
  call(method, params) {
    return this.#browser.call(method, params, this.#session);
  }

  /** Evaluates a script; of a promise what it resolves to. */
  async evaluate(expression, options) {
    const script = { expression, awaitPromise: true, returnByValue: true, ...options };
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", script);
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails.exception));
    return result.value;
  }
}

export class Browser {
  #profile = mkdtempSync(path.join(tmpdir(), "acklog-browser-"));
  #process;
  #text = "";
  #sent = 0;
  #waiting = new Map();
  #tabs = new Map();

  /** Starts one, which ends with the test. */
  static start(t, program) {
    const browser = new Browser();
    browser.#start(program);
    t.after(() => browser.#end());
    return browser;
  }

  /** Opens an address in a tab of its own, in a window of its own, so that none is in the background. */
  async open(url) {
    const { targetId } = await this.call("Target.createTarget", { url, newWindow: true });
    const options = { targetId, flatten: true };
    const { sessionId } = await this.call("Target.attachToTarget", options);
    const tab = new Tab(this, sessionId);
    this.#tabs.set(sessionId, tab);
    return tab;
  }

  /** Calls a method of the debugging protocol, of a tab or of the browser. */
  async call(method, params, sessionId) {
    if (this.#process.exitCode !== null) throw new Error("the browser ended");
    this.#sent += 1;
    const id = this.#sent;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { method, resolve, reject }));
  }

  #start(program) {
    const flags = ["--headless", "--remote-debugging-pipe", `--user-data-dir=${this.#profile}`];
    // A root user, as in containers, has no sandbox.
    if (process.getuid?.() === 0) flags.push("--no-sandbox");
    flags.push("--disable-gpu", "--disable-dev-shm-usage", "--no-first-run");
    // It asks for nothing by itself: what it would look up elsewhere takes time from what is tested.
    flags.push("--disable-background-networking", "--disable-component-update", "--disable-sync");
    const stdio = ["ignore", "ignore", "ignore", "pipe", "pipe"];
    this.#process = spawn(program, flags, { stdio });
    this.#process.on("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the browser ended"));
    });
    this.#process.stdio[4].setEncoding("utf8").on("data", (chunk) => this.#take(chunk));
  }

  #take(chunk) {
    const messages = (this.#text + chunk).split("\0");
    this.#text = messages.pop();
    for (const message of messages) {
      const { id, result, error, method, params, sessionId } = JSON.parse(message);
      const call = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (method) this.#tabs.get(sessionId)?.emit(method, params);
      else if (error) call?.reject(new Error(`${call.method}: ${error.message}`));
      else call?.resolve(result);
    }
  }

  async #end() {
    const ended = once(this.#process, "exit");
    this.#process.kill();
    await ended;
    // Processes that it started may write there a moment longer.
    await waitUntil("its profile is gone", async () => {
      await rm(this.#profile, { recursive: true, force: true }).catch(() => {});
      return !existsSync(this.#profile);
    });
  }
}
