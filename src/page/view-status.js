// The connection, the clocks, what was left out, and sentences for people who do not see the page.

import { setData, setText } from "./dom.js";

// Sentences that are said at most once in so many milliseconds. Shorter: a screen reader is
// interrupted all the time. Longer: it tells old news.
const PAUSE_MS = 1500;

// Returns `{status, text}` of a connection. `kind` is "connecting", "live", "lost", "frozen" or
// "recording"; of a lost one `since` and `now` are times in milliseconds, and `detail` says what
// to do, where the page does not try by itself.
export function connectionWords({ kind, since, now, detail }) {
  if (kind === "lost")
    return {
      status: kind,
      text: `connection lost ${seconds(now - since)} ago; ${detail ?? "trying"}`,
    };
  return { status: kind, text: detail ? `${kind}: ${detail}` : kind };
}

// Returns whole seconds, so that the sentence changes once a second at most.
function seconds(ms) {
  return `${Math.max(0, Math.floor(ms / 1000))} s`;
}

// The places of the page that say so.
export class StatusView {
  constructor({ connection, clock, sampling, live, now }) {
    Object.assign(this, { connection, clock, sampling, live, now });
    this.pending = [];
    this.saidAt = -Infinity;
  }

  // Draws the connection, the sentence about clocks and the one about what was left out.
  update({ connection, clock, sampling }) {
    const { status, text } = connectionWords(connection);
    setData(this.connection, "status", status);
    setText(this.connection, text);
    setText(this.clock, clock);
    setText(this.sampling, sampling);
    this.#speak();
  }

  // Says a sentence soon: of those that come close together the last three.
  say(text) {
    this.pending.push(text);
    if (this.pending.length > 3) this.pending.shift();
    this.#speak();
  }

  #speak() {
    const now = this.now();
    if (this.pending.length === 0 || now - this.saidAt < PAUSE_MS) return;
    this.saidAt = now;
    setText(this.live, this.pending.join(" "));
    this.pending = [];
  }
}
