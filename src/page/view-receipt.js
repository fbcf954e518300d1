// The receipt of a message, in a dialog: which nodes have it, since when, after how many attempts.

import { make } from "./dom.js";
import { durationWords, plural, punctuated, shown } from "./words.js";

// Characters of the message that are shown. More: the table is out of sight.
const QUOTED = 200;

// The dialog. `node(name)` is a node as the page shows it, or null; `pick(ids)` marks messages on
// the timeline.
export class ReceiptView {
  constructor({ dialog, node, pick }) {
    this.dialog = dialog;
    this.node = node;
    this.pick = pick;
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }

  // Asks for the receipt of message `id` with the text `text`, and shows it.
  async open(id, text) {
    this.id = id;
    this.text = text;
    this.#fill(make("p", { class: "soft" }, "Asking the master."));
    this.dialog.showModal();
    await this.#ask();
  }

  async #ask() {
    const id = this.id;
    const parts = await ask(id).then(
      (receipt) => this.#table(receipt),
      (error) => [make("p", { class: "alarm" }, `There is no receipt: ${error.message}`)],
    );
    if (this.id === id && this.dialog.open) this.#fill(...parts);
  }

  #fill(...parts) {
    const mark = make(
      "button",
      { type: "button", on: { click: () => this.#pick() } },
      "mark on the timeline",
    );
    const again = make("button", { type: "button", on: { click: () => this.#ask() } }, "ask again");
    const close = make(
      "button",
      { type: "button", class: "main", on: { click: () => this.dialog.close() } },
      "close",
    );
    const quote = shown(this.text ?? "…", QUOTED);
    const whole = make(
      "a",
      { href: `/messages/${this.id}`, target: "_blank", rel: "noopener" },
      "the whole message",
    );
    this.dialog.replaceChildren(
      make("h2", { id: "receipt-title" }, `Receipt of message ${this.id}`),
      make("p", { class: "quote" }, make("bdi", {}, quote)),
      ...(quote.endsWith("…") ? [make("p", {}, whole)] : []),
      ...parts,
      make("p", { class: "actions" }, mark, again, close),
    );
    close.focus();
  }

  #pick() {
    this.dialog.close();
    this.pick([this.id, this.id + 1]);
  }

  #table(receipt) {
    const batch =
      receipt.count > 1 ? ` It is one of a batch of ${receipt.count} from ${receipt.id} on.` : "";
    const head = ["node", "copy", "after", "attempts", "kept"].map((word) =>
      make("th", { scope: "col" }, word),
    );
    const rows = receipt.copies.map((copy) => this.#row(copy));
    return [
      make(
        "p",
        {},
        `On ${receipt.heldBy} of ${plural(receipt.copies.length, "node")}. ` +
          `Accepted ${receipt.acceptedAt} in epoch ${receipt.epoch}.${batch}`,
      ),
      make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)),
      make(
        "p",
        { class: "soft" },
        "“After” is the time from the acceptance to the ack, by the master's clock; the form tells the time until " +
          "your browser had the answer. A dash: not known, or no ack yet.",
      ),
    ];
  }

  #row(copy) {
    const node = this.node(copy.node);
    const mark = make(
      "span",
      {
        class: "mark",
        "aria-hidden": "true",
        data: { color: node?.color, state: copy.held ? "acked" : "waits" },
      },
      node?.letter ?? "?",
    );
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, mark, " ", copy.node),
      make("td", {}, copy.held ? "has it" : "lacks it"),
      make("td", { class: "number" }, copy.afterMs === null ? "–" : durationWords(copy.afterMs)),
      make("td", { class: "number" }, copy.attempts === null ? "–" : String(copy.attempts)),
      make("td", {}, copy.storage ?? "–"),
    );
  }
}

// Returns the receipt of message `id`. Fails with an Error whose message is for people.
async function ask(id) {
  let response;
  try {
    response = await fetch(`/messages/${id}/receipt`);
  } catch {
    throw new Error("the master does not answer. Try again when it does.");
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  throw new Error(punctuated(body?.detail ?? `the answer was ${response.status}`));
}
