// Appends that this page sends: which of them waits for its answer, and what became of the others.
// No document here: the queue is given the function that sends.

// Appends that wait for their answers at the same time. A browser has six connections to a node:
// the stream of events takes one, and one is kept for faults and receipts. More: a fault could not
// be healed while appends wait for it. Fewer: fewer of them can be watched as they wait.
export const MAX_WAITING = 4;

// Appends that are kept to be shown when they are over. More: a longer list that nobody reads.
const KEPT = 12;

// The appends of this page, the newest first.
export class AppendQueue {
  // `send(request, signal)` is a promise of `{status, body}`, and is rejected where no answer came;
  // `now()` is a time in milliseconds; `changed()` is called after each change.
  constructor({ send, now, changed }) {
    this.send = send;
    this.now = now;
    this.changed = changed;
    this.entries = [];
    this.count = 0;
  }

  // Takes an append: `concern` is a number, "majority" or "all"; `needed` the number of nodes that
  // it stands for; `timeoutMs` null for no limit. Returns its entry.
  add({ message, concern, needed, timeoutMs }) {
    this.count += 1;
    const entry = {
      number: this.count,
      message,
      concern,
      needed,
      timeoutMs,
      state: "queued",
      id: null,
      sentAt: null,
      tookMs: null,
      status: null,
      body: null,
      giveUp: new AbortController(),
    };
    this.entries.unshift(entry);
    this.#next();
    return entry;
  }

  // Ends the wait of an append: its request is given up, or never sent.
  end(entry) {
    if (entry.state === "queued") this.#finish(entry, "given-up");
    else if (entry.state === "waits") entry.giveUp.abort();
  }

  // Appends whose answer has not come yet.
  waiting() {
    return this.entries.filter((entry) => entry.state === "waits");
  }

  // Gives the appends that wait and have no id yet the ids that their messages got, as far as the
  // log shows it: `textOf(id)` is the text that the master shows, perhaps cut and then ending with
  // "…", or undefined. The ids of `from` to below `end` are looked at, oldest first.
  match(from, end, textOf) {
    const open = this.waiting()
      .filter((entry) => entry.id === null)
      .reverse();
    const taken = new Set(this.entries.map((entry) => entry.id));
    for (const entry of open) {
      for (let id = Math.max(from, entry.notBefore); id < end; id += 1) {
        if (!taken.has(id) && isShownAs(entry.message, textOf(id))) {
          entry.id = id;
          taken.add(id);
          break;
        }
      }
    }
  }

  // Tells the queue the end of the log: what is sent from now on gets no smaller id.
  logEnds(end) {
    this.logEnd = end;
  }

  // Sends as many of those that are queued as may wait, the oldest first.
  #next() {
    let room = MAX_WAITING - this.waiting().length;
    for (const entry of [...this.entries].reverse()) {
      if (room > 0 && entry.state === "queued") {
        room -= 1;
        this.#start(entry);
      }
    }
    this.changed();
  }

  // Sends an append, and notes what became of it.
  async #start(entry) {
    entry.state = "waits";
    entry.sentAt = this.now();
    entry.notBefore = this.logEnd ?? 0;
    const request = { message: entry.message, writeConcern: entry.concern };
    if (entry.timeoutMs !== null) request.timeoutMs = entry.timeoutMs;
    try {
      const { status, body } = await this.send(request, entry.giveUp.signal);
      entry.status = status;
      entry.body = body;
      if (typeof body?.id === "number") entry.id = body.id;
      this.#finish(entry, status === 201 ? "answered" : "failed");
    } catch {
      this.#finish(entry, entry.giveUp.signal.aborted ? "given-up" : "no-answer");
    }
  }

  // Ends an append, forgets those that were over long ago, and sends the next one.
  #finish(entry, state) {
    entry.state = state;
    entry.tookMs = entry.sentAt === null ? null : this.now() - entry.sentAt;
    const over = this.entries.filter((one) => one.state !== "queued" && one.state !== "waits");
    const old = new Set(over.slice(KEPT));
    this.entries = this.entries.filter((one) => !old.has(one));
    this.#next();
  }
}

// Whether a message is shown as `text`, which may be cut.
function isShownAs(message, text) {
  if (text === undefined) return false;
  return message === text || (text.endsWith("…") && message.startsWith(text.slice(0, -1)));
}
