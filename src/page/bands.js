// Spans of time in which something holds for a node: a gap, faults, silence and so on.

import { faultPhrases, PAUSED } from "./words.js";

// Kinds of bands whose words are of their own time: where others hold, another band begins. The words of
// the others tell more and more of the same.
const SPLIT = new Set(["faults", "gap"]);

export class Bands {
  // Node and kind, with these, the band that goes on and the time of the latest word about it.
  #slots = new Map();
  #things;

  constructor(things) {
    this.#things = things;
  }

  // Notes at `t` whether something holds for a node from `since` on, and what it is in words. What
  // was heard later stays: words of an earlier time about the same thing change nothing.
  set(node, kind, text, t, since = t) {
    const key = `${kind} ${node}`;
    const slot = this.#slots.get(key) ?? { node, kind, band: null, heard: -Infinity };
    if (t < slot.heard) return;
    slot.heard = t;
    this.#slots.set(key, slot);
    const { band } = slot;
    if (band && text !== null && (text === band.text || !SPLIT.has(kind))) {
      band.text = text;
      band.t = Math.min(band.t, since);
      return this.#things.touch(band, t);
    }
    if (band) {
      band.open = false;
      band.end = t;
      this.#things.touch(band, t);
      slot.band = null;
    }
    if (text === null) return undefined;
    slot.band = this.#things.add({
      type: "band",
      t: band ? t : since,
      last: t,
      open: true,
      kind,
      node,
      text,
      end: null,
    });
    return undefined;
  }

  // Lets what holds begin at `t`, where it began later, and listens to words from then on: the clock was
  // set back.
  setBack(t) {
    for (const slot of this.#slots.values()) {
      slot.heard = -Infinity;
      if (slot.band?.t > t) slot.band = this.#things.add({ ...slot.band, t, last: t, open: true });
    }
  }

  // Ends at `t` all that holds for a node.
  close(node, t) {
    for (const slot of this.#slots.values()) {
      if (slot.node === node && slot.band) this.set(node, slot.kind, null, t);
    }
  }

  // Forgets a node.
  forget(node) {
    for (const [key, slot] of this.#slots) if (slot.node === node) this.#slots.delete(key);
  }

  // Takes the state of a node, as it was at `t`.
  takeState({ node, reachable, detail, health, faults }, t) {
    this.set(
      node,
      "unreachable",
      reachable ? null : `not reachable: ${detail ?? "its HTTP port does not answer"}`,
      t,
    );
    if (!reachable) return;
    // A node whose faults cannot be set from here tells of them in its events alone.
    if (faults) this.#faults(node, faults, t);
    if (!health) return;
    this.#disk(node, health.disk, t);
    if (health.role === "master") this.#master(node, health, t);
  }

  // Takes an event, placed at `t`.
  takeEvent(event, t) {
    const { node, peer, kind } = event;
    if (kind === "started") this.#faults(node, null, t);
    if (kind === "faults") this.#faults(node, event.faults, t);
    if (kind === "mode") this.set(node, "read-only", modeText(event.mode), t);
    if (kind === "health" && peer) this.#silence(peer, event.status, t, t);
    if (kind === "disk") this.#disk(node, event, t);
  }

  #disk(node, disk, t) {
    const isWell = !disk || disk.state === "ok";
    const more = disk?.detail ? `: ${disk.detail}` : "";
    this.set(node, "disk", isWell ? null : `its disk is ${disk.state}${more}`, t);
  }

  #faults(node, faults, t) {
    const paused = Boolean(faults?.paused);
    this.set(node, "paused", paused ? PAUSED : null, t);
    const others = faultPhrases(faults && { ...faults, paused: false });
    this.set(node, "faults", others.length > 0 ? others.join(", ") : null, t);
  }

  #master(node, { mode, secondaries }, t) {
    this.set(node, "read-only", modeText(mode), t);
    for (const row of secondaries) this.#silence(row.name, row.status, t, t - (row.lastSeenMs ?? 0) * 1000);
  }

  #silence(node, status, t, since) {
    const isSilent = status === "suspected" || status === "unhealthy";
    this.set(node, "silence", isSilent ? "silent: the master hears nothing of it" : null, t, since);
  }
}

function modeText(mode) {
  return mode === "read-only" ? "read-only: it takes no messages" : null;
}
