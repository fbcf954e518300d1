/** A cluster of real nodes, with logs on disk, that can be killed and started again. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Time that something may take before a test fails, in milliseconds. */
const PATIENCE = 60_000;

/** Waits for a condition, and returns what it is. */
export async function waitUntil(what, condition) {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
    await sleep(50);
  }
}

/** One process. It keeps its ports and its directory from one start to the next. */
class Node {
  #log;
  #command;
  #process;
  ports = {};

  constructor(folder, name, flags) {
    this.name = name;
    this.#log = path.join(folder, `${name}.log`);
    this.#command = ["--name", name, "--data-dir", path.join(folder, name), ...flags];
  }

  get url() {
    return `http://127.0.0.1:${this.ports.http}`;
  }

  get #isMaster() {
    return this.name === "master";
  }

  /** Starts it and waits until it listens; its log is written anew. */
  async start() {
    const flags = ["--http-port", this.ports.http ?? 0];
    if (this.#isMaster) flags.push("--comm-port", this.ports.comm ?? 0);
    const program = this.#isMaster ? "master-node" : "secondary-node";
    const log = openSync(this.#log, "w");
    const stdio = ["ignore", "ignore", log];
    const command = [...this.#command, ...flags];
    this.#process = spawn(path.join(process.env.ACKLOG_BIN, program), command, { stdio });
    closeSync(log);
    this.ports.http = await this.#port("serving HTTP");
    if (this.#isMaster) this.ports.comm = await this.#port("listening for secondaries");
  }

  /** Ends it as kill -9 does. */
  async kill() {
    if (!this.#process) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
    this.#process = undefined;
  }

  async get(target) {
    return (await fetch(this.url + target)).json();
  }

  /** Injects faults, for which it must have been started. */
  async inject(faults) {
    const request = { method: "PUT", body: JSON.stringify(faults) };
    const { status } = await fetch(`${this.url}/faults`, request);
    if (status !== 200) throw new Error(`${this.name} answers ${status} to faults`);
  }

  async isReady() {
    return fetch(`${this.url}/ready`).then(
      (response) => response.ok,
      () => false,
    );
  }

  #port(line) {
    const pattern = new RegExp(`${line} address=\\S*:(\\d+)`);
    const told = () => pattern.exec(readFileSync(this.#log, "utf8"))?.[1];
    return waitUntil(`${this.name} starts`, told);
  }
}

/** A master and two secondaries. */
export class Cluster {
  #folder = mkdtempSync(path.join(tmpdir(), "acklog-"));
  nodes = [];

  /** Starts one, which ends with the test. `flags` are further ones of all nodes, or of the master. */
  static async start(t, flags = { all: [], master: [] }) {
    const cluster = new Cluster();
    t.after(() => cluster.#end());
    const size = ["--cluster-size", "3"];
    const master = await cluster.#add("master", [...size, ...flags.all, ...flags.master]);
    const dial = ["--master-comm-port", master.ports.comm, "--reconnect-delay", "100ms"];
    dial.push(...flags.all);
    for (const name of ["bonnie", "clyde"]) await cluster.#add(name, dial);
    for (const node of cluster.nodes) {
      await waitUntil(`${node.name} is ready`, () => node.isReady());
    }
    return cluster;
  }

  get master() {
    return this.nodes[0];
  }

  get urls() {
    return this.nodes.map((node) => node.url);
  }

  async #add(name, flags) {
    const node = new Node(this.#folder, name, flags);
    this.nodes.push(node);
    await node.start();
    return node;
  }

  async #end() {
    for (const node of this.nodes) await node.kill();
    rmSync(this.#folder, { recursive: true });
  }
}
