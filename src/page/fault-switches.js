// The buttons that break nodes, without their looks: each turns one fault on or off and leaves the
// others as they are, also when several are pressed faster than a node tells its faults.

import { toggled } from "./words.js";

// After its last command, the faults of a node are taken for what was commanded for so long, in
// milliseconds: its state comes at least once a second. Shorter: the second of two quick presses
// takes the first one back. Longer: a fault that is set elsewhere meanwhile is taken back.
const TRUSTED_MS = 1000;

export class FaultSwitches {
  // `command(node, method, path, body)` is a promise of null or of what went wrong, see
  // commands.js; `now()` is a time in milliseconds; `told(node, failure)` is called with each
  // result.
  constructor({ command, now, told }) {
    this.command = command;
    this.now = now;
    this.told = told;
    // Of each node what was commanded last, how many commands are under way, and their end.
    this.commanded = new Map();
  }

  // Presses the button of a fault: `node` is one as it was told last.
  press(node, fault) {
    const body = toggled(fault, this.#faults(node), node.role === "master");
    return this.#send(node.name, body, async () => {
      const failure = await this.command(node.name, "PUT", "/faults", body);
      if (failure !== null || fault !== "cut" || body.dropRate !== 1) return failure;
      return this.command(node.name, "POST", "/faults/disconnect", null);
    });
  }

  // Ends all faults of a node.
  heal({ name }) {
    return this.#send(name, {}, () => this.command(name, "DELETE", "/faults", null));
  }

  // Returns the faults that a node has, or has soon.
  #faults({ name, faults }) {
    const last = this.commanded.get(name);
    return last && (last.open > 0 || this.now() < last.until) ? last.faults : faults;
  }

  // Sends a command behind those before it.
  async #send(name, faults, run) {
    const last = this.commanded.get(name) ?? { open: 0, until: 0, end: Promise.resolve() };
    this.commanded.set(name, last);
    last.faults = faults;
    last.open += 1;
    last.end = last.end.then(run);
    const failure = await last.end;
    last.open -= 1;
    last.until = this.now() + TRUSTED_MS;
    // Nobody knows what is in force then.
    if (failure !== null) this.commanded.delete(name);
    this.told(name, failure);
  }
}
