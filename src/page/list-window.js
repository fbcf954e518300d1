// Which ids of the log the lists show. The window stands still and fills from the top down; when it
// is full, it turns over by half, so that a message stays in its place while it is looked at.

// Returns the first id of a window of `rows` rows that shows the message below `end`, given the
// first id of the window so far.
export function turned(first, end, rows) {
  if (end >= first && end <= first + rows) return first;
  if (end <= rows) return 0;
  return end - Math.ceil(rows / 2);
}

// The window of the lists.
export class ListWindow {
  constructor() {
    this.first = 0;
    // The first id that somebody chose to look at; null: the newest ones are shown.
    this.chosen = null;
  }

  // Returns the first id to show of a log that ends at `end`.
  place(end, rows) {
    if (this.chosen !== null) return this.chosen;
    this.first = turned(this.first, end, rows);
    return this.first;
  }

  // Goes back by half a window, at most to `oldest`, the oldest id that is known.
  earlier(rows, oldest) {
    const from = this.chosen ?? this.first;
    this.chosen = Math.max(Math.min(oldest, from), from - Math.ceil(rows / 2));
  }

  // Shows the newest messages again.
  newest() {
    this.chosen = null;
  }
}

// Returns what stands in the row of message `id` in the list of a node: "shown", "held" (above a
// gap), "missing" (other nodes have it) or "free" (no node has it yet). `held` are ranges of ids,
// each as [first, behind the last]. A master lacks nothing that others have: its news only come
// later than theirs.
export function rowState(id, node, end) {
  if (id < node.end) return "shown";
  if (node.held.some(([from, to]) => id >= from && id < to)) return "held";
  return id < end && node.role !== "master" ? "missing" : "free";
}
