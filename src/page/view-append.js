// The form that appends, and below it each append of this page with the nodes that have acked it
// while it waits.

import { AppendQueue, MAX_WAITING } from "./append-queue.js";
import { NUMBERED_CHOICES } from "./concern-choices.js";
import { keyed, make, setAttribute, setData, setText, show } from "./dom.js";
import {
  answerWords,
  concernNumber,
  durationWords,
  INTRODUCTION,
  nodesListed,
  parseConcern,
  plural,
  punctuated,
  shown,
} from "./words.js";

// The longest time limit of the form, in seconds: a day. Longer: nobody waits for it.
const LONGEST_LIMIT_S = 86_400;

// Whose clock the times of the list are by.
const MEASURED = "The time until this browser had the answer, by its own clock. The timeline has the times of nodes.";

// What went wrong stands in the first sentence. Within "3.0 s" there is no end of one.
const FIRST_SENTENCE = /^.*?(?:\.(?= )|$)/s;

// Sends an append to the node that served the page.
async function post(request, signal) {
  const response = await fetch("/messages", {
    method: "POST",
    body: JSON.stringify(request),
    signal,
  });
  return { status: response.status, body: await response.json().catch(() => null) };
}

// The form and its list. `changed()` is called when something is to be drawn again, `say(text)`
// with sentences for people who do not see the page.
export class AppendView {
  constructor({ root, changed, say }) {
    this.say = say;
    this.size = 0;
    this.choices = new Map();
    this.rows = new Map();
    // The nodes that acked the append whose first message has an id, as the events tell.
    this.acks = new Map();
    this.queue = new AppendQueue({ send: post, now: () => performance.now(), changed });
    this.#build(root);
  }

  // Returns the appends of this page, the newest first.
  entries() {
    return this.queue.entries;
  }

  #build(root) {
    this.message = make("input", {
      type: "text",
      id: "message",
      autocomplete: "off",
      spellcheck: "false",
      required: true,
    });
    this.choiceBox = make("div", { class: "choices" });
    this.other = make("input", {
      type: "number",
      min: "0",
      max: "999999999",
      "aria-label": "another number of nodes",
      class: "other",
      on: { focus: () => this.#choose("other"), input: () => this.#choose("other") },
    });
    this.limit = make("input", {
      type: "number",
      id: "limit",
      min: "0",
      max: LONGEST_LIMIT_S,
      step: "any",
      placeholder: "none",
    });
    this.formError = make("p", { class: "alarm", role: "alert" });
    this.form = make(
      "form",
      { novalidate: true, on: { submit: (event) => this.#submit(event) } },
      make("label", { for: "message" }, "Message"),
      this.message,
      make(
        "fieldset",
        {},
        make("legend", {}, "Write concern: nodes that must have it"),
        this.choiceBox,
      ),
      make(
        "div",
        { class: "send" },
        make("label", { for: "limit" }, "Time limit, s"),
        this.limit,
        make("button", { type: "submit", class: "main", id: "append-button" }, "append"),
      ),
      this.formError,
    );
    this.list = make("ol", {
      class: "appends",
      tabindex: "0",
      "aria-label": "appends of this page",
    });
    this.closed = make("p", { class: "soft", hidden: true });
    const begin = `${INTRODUCTION} To begin, press tour above.`;
    this.introduction = make("p", { class: "introduction" }, begin);
    this.now = make("p", { class: "soft now", hidden: true }, "Appends of this page, as they are now:");
    root.append(this.form, this.introduction, this.closed, this.now, this.list);
  }

  // Draws the form and its list as they are now, in `view`. `reason` says why nothing can be appended
  // here, or is null. `mode` is that of the page, see NodesView: beside a recording there is no list,
  // and beside a moment that is over it says that it is of now.
  update(view, reason, mode) {
    show(this.form, reason === null);
    show(this.introduction, reason === null && this.queue.entries.length === 0);
    show(this.closed, Boolean(reason));
    setText(this.closed, reason ?? "");
    show(this.list, mode !== "recording");
    show(this.now, mode === "frozen" && this.queue.entries.length > 0);
    this.#offer(view.clusterSize());
    this.#follow(view);
    const entries = this.queue.entries;
    keyed(this.list, this.rows, entries, (entry) => this.#row(entry));
    const members = view.nodes().filter(({ isMember }) => isMember);
    for (const entry of entries) this.#draw(this.rows.get(entry), entry, members);
  }

  // Looks in the log for the appends that wait, and notes who acked them.
  #follow(view) {
    const master = view.master();
    if (master) {
      this.queue.logEnds(master.end);
      this.queue.match(Math.max(0, master.end - 200), master.end, (id) => master.texts.get(id));
    }
    this.acks = new Map(
      view.appends().map((append) => [append.first, append.acks.map(({ node }) => node)]),
    );
  }

  // Offers the write concerns of a cluster of `size` nodes.
  #offer(size) {
    if (size === this.size || size === 0) return;
    this.size = size;
    const chosen = this.#chosen();
    const numbers = Array.from({ length: Math.min(size, NUMBERED_CHOICES) }, (_, at) =>
      String(at + 1),
    );
    this.choices.clear();
    const choices = [...numbers, "majority", "all"].map((word) => {
      const input = make("input", {
        type: "radio",
        name: "concern",
        value: word,
        id: `concern-${word}`,
      });
      this.choices.set(word, input);
      return make(
        "label",
        { class: "choice", for: `concern-${word}` },
        input,
        make("span", {}, word),
      );
    });
    const input = make("input", {
      type: "radio",
      name: "concern",
      value: "other",
      id: "concern-other",
    });
    this.choices.set("other", input);
    const other = make(
      "label",
      { class: "choice", for: "concern-other" },
      input,
      make("span", {}, "other"),
    );
    this.choiceBox.replaceChildren(...choices, other, this.other);
    this.#choose(this.choices.has(chosen) ? chosen : "majority");
  }

  // Returns the chosen word: a number, "majority", "all" or "other".
  #chosen() {
    for (const [word, input] of this.choices) if (input.checked) return word;
    return "majority";
  }

  #choose(word) {
    const input = this.choices.get(word);
    if (input) input.checked = true;
  }

  #submit(event) {
    event.preventDefault();
    const chosen = this.#chosen();
    const concern = parseConcern(chosen === "other" ? this.other.value : chosen);
    const limit = this.limit.value === "" ? null : Number(this.limit.value);
    const wrong = this.#wrong(concern, limit);
    setText(this.formError, wrong);
    if (wrong !== "") return;
    this.queue.add({
      message: this.message.value,
      concern,
      needed: concernNumber(concern, this.size),
      timeoutMs: limit === null ? null : Math.round(limit * 1000),
    });
    this.message.value = "";
    this.message.focus();
  }

  // Returns what is wrong with the form and what to do, or "".
  #wrong(concern, limit) {
    if (this.message.value === "") {
      this.message.focus();
      return "The message is empty. Type one first.";
    }
    if (concern === null) {
      this.other.focus();
      return "Type the number of nodes that must have the message.";
    }
    if (limit !== null && !(limit >= 0 && limit <= LONGEST_LIMIT_S)) {
      this.limit.focus();
      return `The time limit is a number of seconds from 0 to ${LONGEST_LIMIT_S}, or empty.`;
    }
    return "";
  }

  #row(entry) {
    const end = make(
      "button",
      {
        type: "button",
        class: "end",
        "aria-label": `give up append ${entry.number}`,
        on: { click: () => this.#giveUp(entry) },
      },
      "give up",
    );
    const marks = make("span", { class: "marks" });
    const head = make(
      "p",
      { class: "what" },
      make("bdi", {}, shown(entry.message, 40)),
      make("span", { class: "soft" }, wanted(entry)),
    );
    const row = make(
      "li",
      { data: { append: entry.number } },
      head,
      end,
      marks,
      make("p", { class: "how" }),
    );
    row.marks = new Map();
    return row;
  }

  #giveUp(entry) {
    this.queue.end(entry);
    this.message.focus();
  }

  // Draws an append: a mark for each node, filled where the node has acked, and a sentence.
  #draw(row, entry, nodes) {
    const [, end, marks, how] = row.children;
    setData(row, "state", entry.state);
    show(end, entry.state === "waits" || entry.state === "queued");
    const has = new Set(nodes.filter((node) => this.#acked(entry, node)).map((node) => node.name));
    keyed(
      marks,
      row.marks,
      nodes.map((node) => node.name),
      () => make("span", { class: "mark" }),
    );
    for (const node of nodes) {
      const mark = row.marks.get(node.name);
      setText(mark, node.letter);
      setData(mark, "color", node.color);
      setData(mark, "state", has.has(node.name) ? "acked" : "waits");
      setAttribute(
        mark,
        "title",
        `${node.name} ${has.has(node.name) ? "has it" : "has not acked it yet"}`,
      );
    }
    const text = this.#sentence(entry, nodes, has);
    setAttribute(how, "title", entry.tookMs === null ? null : MEASURED);
    if (how.textContent === text) return;
    const isTrouble = entry.state === "failed" || entry.state === "no-answer";
    const first = isTrouble ? FIRST_SENTENCE.exec(text)[0] : "";
    how.replaceChildren(...(first ? [make("b", {}, first)] : []), text.slice(first.length));
    const waits = entry.state === "waits" && entry.id !== null;
    this.say(
      waits
        ? `Message ${entry.id} is on ${has.size} of ${plural(nodes.length, "node")}; it ${text.split("; ").at(-1)}.`
        : punctuated(text),
    );
  }

  // Whether a node has acked an append, as far as is known.
  #acked(entry, node) {
    if (entry.body?.ackedBy?.includes(node.name)) return true;
    if (entry.id === null) return false;
    return entry.id < node.ackedEnd || Boolean(this.acks.get(entry.id)?.includes(node.name));
  }

  // Returns what became of an append so far, in words.
  #sentence(entry, nodes, has) {
    const on = nodes.filter((node) => has.has(node.name)).map((node) => node.name);
    const took = entry.tookMs === null ? "" : ` after ${durationWords(entry.tookMs)}`;
    if (entry.state === "queued") {
      return `in the queue: ${MAX_WAITING} appends of this page wait already; a browser keeps few connections`;
    }
    if (entry.state === "waits") {
      if (on.length === 0) return "sent, no node has acked it";
      const missing = nodes.filter((node) => !has.has(node.name)).map((node) => node.name);
      return `on ${nodesListed(on)}; waits for ${stillNeeded(entry.needed - on.length, missing)}`;
    }
    if (entry.state === "given-up") {
      return entry.sentAt === null
        ? "never sent"
        : `given up${took}; the master notices that up to 3 s later; a message that it has stays in the log`;
    }
    if (entry.state === "no-answer") {
      const outcome =
        entry.id === null
          ? "It may be in the log or not; look before you append it again"
          : `It is in the log, as message ${entry.id}`;
      return `no answer${took}: the connection ended. ${outcome}`;
    }
    const words = answerWords(entry.status, entry.body);
    return words.ok
      ? `message ${entry.id}: ${words.title}${took}, ${words.detail}`
      : `${words.title}${took}. ${words.detail}`;
  }
}

// Returns what the client of an append asked for, as a number of nodes too, as it stands on the timeline.
function wanted({ concern, needed, timeoutMs }) {
  const words = typeof concern === "number" ? concern : `${concern} (${needed})`;
  return `w=${words}${timeoutMs === null ? "" : ` within ${durationWords(timeoutMs)}`}`;
}

// Returns the nodes that an append waits for: by name where all of them must ack.
function stillNeeded(count, missing) {
  if (count <= 0) return "its answer";
  if (count === missing.length) return nodesListed(missing);
  if (count > missing.length) return plural(count, "more node");
  return `${count} of ${nodesListed(missing)}`;
}
