// What is drawn of a thing: marks, each a path with what it stands for. Pure: the same thing and
// lanes give the same marks.
//
// A mark is `{key, kind, d, look, color, node, peer, ids, request, t, events}`: `look` says how it is
// painted ("line", "thin", "dashed", "solid", "hollow", "bold"), `color` names the node whose color
// it has, `request` is the number of the exchange that it is of.

import { eventWords, idsWords } from "./sentences.js";
import * as shapes from "./shapes.js";
import { plural } from "./words.js";

// Share of the way that is drawn of a frame of which it is not known whether it came.
const STUB = 0.3;

// A time to store that is shorter than this is not drawn, in pixels.
const SHORTEST = 6;

// Slant of a frame whose way is not known, in rem.
const SLANT = 0.7;

// Returns the marks of an exchange.
export function exchangeMarks(exchange, lanes) {
  const { there, back } = exchange;
  const y0 = lanes.y(exchange.requester);
  const y1 = lanes.y(exchange.responder);
  if (y0 === null || y1 === null || y0 === y1) return [];
  const marks = [];
  const base = {
    node: exchange.requester,
    peer: exchange.responder,
    ids: exchange.ids,
    request: exchange.request,
    color: exchange.requester,
  };
  const came = there.arrivals[0] ?? null;
  const answered = exchange.answeredAt ?? exchange.lateAt;
  const guessed = came ?? guess(exchange, answered);
  if (there.sentAt !== null)
    frameMarks(marks, { way: there, came: guessed, isKnown: came !== null, y0, y1, base, lanes });
  else if (came !== null) arrivalMarks(marks, { way: there, came, y0, y1, base, lanes });
  const answer = { ...base, node: exchange.responder, peer: exchange.requester, color: exchange.responder };
  if (back.sentAt !== null && back.frame === "Page") {
    const isKnown = back.arrivals.length > 0;
    const end = back.arrivals[0] ?? answered ?? back.impliedAt;
    frameMarks(marks, {
      way: back,
      came: end,
      isKnown,
      y0: y1,
      y1: y0,
      base: { ...answer, ids: back.ids },
      lanes,
    });
  } else {
    answerMarks(marks, { exchange, came: guessed, y0: y1, y1: y0, base: answer, lanes });
  }
  if (came !== null && exchange.doneAt !== null && lanes.x(exchange.doneAt) - lanes.x(came) > SHORTEST) {
    const d = shapes.line(lanes.x(came), y1, lanes.x(exchange.doneAt), y1);
    marks.push({
      ...answer,
      key: "stores",
      kind: "store-delayed",
      look: "wait",
      d,
      t: came,
      words: storing(exchange),
    });
  }
  requesterMarks(marks, { exchange, y: y0, base, lanes });
  return marks;
}

function storing({ responder, ids, there, doneAt }) {
  return `${responder} took ${((doneAt - there.arrivals[0]) / 1000).toFixed(0)} ms to store ${idsWords(ids)}`;
}

// Returns when a request came of which only sending and answer are known: half-way.
function guess({ there, back }, answered) {
  if (back.sentAt !== null && back.frame === "Page")
    return Math.max(there.sentAt ?? back.sentAt, back.sentAt);
  if (answered === null || there.sentAt === null) return null;
  return (there.sentAt + answered) / 2;
}

// A frame is an arrow from where it was sent to where it came, an injected delay included.
function frameMarks(marks, { way, came, isKnown, y0, y1, base, lanes }) {
  const x0 = lanes.x(way.sentAt);
  const kind = way.again ? "resent" : "sent";
  const mark = { ...base, t: way.sentAt, kind, events: [way.event] };
  if (way.again) {
    marks.push({
      ...mark,
      key: `again ${base.node}`,
      look: "hollow",
      d: shapes.square(x0, y0, lanes.r * 0.75),
    });
  }
  // Where it would come at the earliest.
  const least = lanes.x(way.leftAt) + lanes.rem * SLANT;
  if (way.lostAt !== null && came === null)
    return void lostMark(marks, { way, x0, least, y0, y1, base, lanes });
  if (came === null) {
    const d = shapes.line(x0, y0, x0 + (least - x0) * STUB, y0 + (y1 - y0) * STUB);
    marks.push({ ...mark, key: `frame ${base.node}`, look: "dashed", d });
    return;
  }
  const x1 = Math.max(x0, lanes.x(came));
  const look = isKnown ? "line" : "dashed";
  marks.push({ ...mark, key: `frame ${base.node}`, look, d: shapes.line(x0, y0, x1, y1) });
  if (way.doubled) {
    const x2 = Math.max(x0, lanes.x(way.arrivals[1] ?? came)) + lanes.r;
    const d = shapes.line(x0 + lanes.r, y0, x2, y1) + shapes.head(x0 + lanes.r, y0, x2, y1, lanes.r * 1.5);
    marks.push({
      ...mark,
      key: `doubled ${base.node}`,
      kind: "doubled",
      look: "line",
      d,
      events: [way.doubledEvent],
    });
  }
  if (!isKnown) return;
  const [node, peer] = [base.peer, base.node];
  const d = shapes.head(x0, y0, x1, y1, lanes.r * 1.7);
  const events = [way.receivedEvent ?? way.event];
  marks.push({
    ...base,
    key: `head ${base.node}`,
    kind: "received",
    look: "solid",
    node,
    peer,
    d,
    t: came,
    events,
  });
}

// A frame of which only the receiver told comes from somewhere.
function arrivalMarks(marks, { way, came, y0, y1, base, lanes }) {
  const x = lanes.x(came);
  const [xs, ys] = [x - lanes.rem * SLANT * STUB, y1 + (y0 - y1) * STUB];
  const [node, peer] = [base.peer, base.node];
  const mark = { ...base, kind: "received", node, peer, t: came, events: [way.receivedEvent] };
  marks.push({ ...mark, key: `frame ${base.node}`, look: "dashed", d: shapes.line(xs, ys, x, y1) });
  const d = shapes.head(xs, ys, x, y1, lanes.r * 1.7);
  marks.push({ ...mark, key: `head ${base.node}`, look: "solid", d });
}

// A frame that was lost ends in a cross, half a lane before the node that it was for: there is no
// other node's line.
function lostMark(marks, { way, x0, least, y0, y1, base, lanes }) {
  const share = 1 - (0.5 * lanes.pitch) / Math.abs(y1 - y0);
  const x = x0 + (least - x0) * share;
  const y = y0 + (y1 - y0) * share;
  const d = shapes.line(x0, y0, x, y) + shapes.cross(x, y, lanes.r * 1.1);
  const events = [way.lostEvent ?? way.event];
  marks.push({ ...base, key: `lost ${base.node}`, kind: "lost", look: "lost", d, t: way.sentAt, events });
}

// The answer to a request: an arrow back, or half of one.
function answerMarks(marks, { exchange, came, y0, y1, base, lanes }) {
  const { back } = exchange;
  const left = exchange.doneAt ?? came;
  if (back.lostAt !== null) {
    const x0 = lanes.x(back.sentAt);
    lostMark(marks, { way: back, x0, least: x0 + lanes.rem * SLANT, y0, y1, base, lanes });
  }
  const answered = exchange.answeredAt ?? exchange.lateAt;
  if (answered === null || left === null) return;
  const isKnown = exchange.there.arrivals.length > 0;
  const x0 = Math.min(lanes.x(left), lanes.x(answered));
  const x1 = lanes.x(answered);
  const isLate = exchange.answeredAt === null;
  // The answer is an event of the node that asked.
  const mark = {
    ...base,
    node: base.peer,
    peer: base.node,
    t: answered,
    kind: isLate ? "late" : "completed",
  };
  const events = [isLate ? exchange.lateEvent : exchange.answerEvent];
  const look = isKnown ? "thin" : "dashed";
  const d = shapes.line(x0, y0, x1, y1);
  if (isLate) {
    marks.push({ ...mark, key: "answer", look, d, events });
    marks.push({ ...mark, key: "late", look: "hollow", d: shapes.circle(x1, y1, lanes.r), events });
  } else {
    marks.push({ ...mark, key: "answer", look, d: d + shapes.head(x0, y0, x1, y1, lanes.r * 1.4), events });
  }
  if (exchange.secondAt === null) return;
  const x2 = lanes.x(exchange.secondAt) + lanes.r * 1.4;
  const twice = shapes.doubleRing(x2, y1, lanes.r * 0.9);
  marks.push({
    ...mark,
    key: "second",
    kind: "late",
    look: "hollow",
    d: twice,
    t: exchange.secondAt,
    events: [exchange.lateEvent],
  });
}

function requesterMarks(marks, { exchange, y, base, lanes }) {
  if (exchange.timedOutAt !== null) {
    // Above the line: where it is sent again stands a square close by.
    const d = shapes.hourglass(lanes.x(exchange.timedOutAt), y - 2 * lanes.r, lanes.r);
    const events = [exchange.timedOutEvent];
    marks.push({
      ...base,
      key: "timed-out",
      kind: "timed-out",
      look: "alarm",
      d,
      t: exchange.timedOutAt,
      events,
    });
  }
  if (exchange.failedAt !== null) {
    const { node } = exchange.failedEvent;
    const d = shapes.triangle(lanes.x(exchange.failedAt), lanes.y(node) ?? y, lanes.r * 1.15);
    const peer = node === base.node ? base.peer : base.node;
    const events = [exchange.failedEvent];
    marks.push({
      ...base,
      key: "failed",
      kind: "failed",
      look: "alarm",
      d,
      node,
      peer,
      t: exchange.failedAt,
      events,
    });
  }
}

const POINTS = {
  stored: ["solid", (x, y, r) => shapes.circle(x, y, r)],
  held: ["held", (x, y, r) => shapes.square(x, y, r)],
  "gap-closed": ["solid", (x, y, r) => shapes.diamond(x, y, r * 1.25)],
  // Round the disc of the same message, which is close by where a frame comes twice at once.
  duplicate: ["hollow", (x, y, r) => shapes.doubleRing(x, y, r * 2.1, 0.7)],
  "store-delayed": ["ring-dashed", (x, y, r) => shapes.circle(x, y, r)],
};

// Kinds of points that have their name beside them, and those of which something ended.
export const LABELLED = new Set(["started", "stopping", "left", "joined", "lost", "refused"]);
const ENDS = new Set(["left", "left-early", "stopping", "lost", "refused"]);

// Returns the mark of a point on a node's lane.
export function pointMarks(point, lanes) {
  const y = lanes.y(point.node);
  if (y === null) return [];
  const { kind, node, peer, ids, t } = point;
  const x = lanes.x(t);
  // Of another node tells only its master: such a point has the color of that node.
  const isOfPeer = Boolean(peer) && lanes.names[0] === node;
  const color = isOfPeer && lanes.y(peer) !== null ? peer : node;
  const mark = { key: "point", kind, node, peer, ids, t, color, events: [point.event] };
  if (POINTS[kind]) {
    const [look, shape] = POINTS[kind];
    return [{ ...mark, look, d: shape(x, y, lanes.r) }];
  }
  if (kind === "epoch") {
    const d = shapes.line(x, lanes.sendersTop, x, lanes.axis);
    const label = {
      text: `epoch ${point.event.epoch}`,
      x: x + 0.3 * lanes.rem,
      y: lanes.axis - 0.4 * lanes.rem,
    };
    return [{ ...mark, look: "epoch", color: null, d, label }];
  }
  // Bands tell of these.
  if (kind === "health" || kind === "faults" || kind === "mode") return [];
  const d = shapes.line(x, y - lanes.r * 2.2, x, y + lanes.r * 2.2);
  const isEnd = ENDS.has(kind);
  const aside = 0.25 * lanes.rem;
  const place = {
    x: isEnd ? x - aside : x + aside,
    // Below the rings of messages, and within the lane.
    y: y + Math.min(1.35 * lanes.rem, 0.44 * lanes.pitch - 0.3 * lanes.rem),
    anchor: isEnd ? "end" : "start",
  };
  // Also of one that has no lane, such as a node that was refused before it was known.
  const text = isOfPeer ? `${peer} ${kind}` : kind;
  const label = LABELLED.has(kind) ? { text, ...place } : null;
  return [{ ...mark, look: isEnd ? "alarm" : "bold", d, label }];
}

// Returns the label of a point at `x`, so wide, on the other side of the point where it would reach out
// of the window from `left` to `right`, and has room there.
export function inWindow(label, width, x, [left, right]) {
  const isEnd = label.anchor === "end";
  const other = 2 * x - label.x;
  const isOut = isEnd ? label.x - width < left : label.x + width > right;
  const hasRoom = isEnd ? other + width <= right : other - width >= left;
  return isOut && hasRoom ? { ...label, x: other, anchor: isEnd ? "start" : "end" } : label;
}

// Returns the marks of a client: a bar that fills by a step with each ack, up to its write concern.
// `row` is its row, `now` where it ends while it waits, `label` the words above it and their place.
export function appendMarks(append, lanes, { row, now, label }) {
  const { ids, acceptedAt, endedAt } = append;
  const top = lanes.sendersTop + row * lanes.rowHeight + lanes.rowHeight * 0.5;
  const height = lanes.rowHeight * 0.44;
  const x0 = lanes.x(acceptedAt);
  const x1 = Math.max(x0 + 3, lanes.x(endedAt ?? now));
  const w = Math.max(1, append.w ?? 1);
  const base = { node: append.node, peer: null, ids, color: null };
  const marks = [];
  const state = endedAt === null ? "waiting" : append.state;
  const isOpen = state === "waiting" || state === "unknown";
  const d = isOpen ? `M${x1} ${top}H${x0}v${height}H${x1}` : shapes.box(x0, top, x1 - x0, height);
  const kind = append.waits ? "waits" : "accepted";
  marks.push({
    ...base,
    key: "bar",
    kind,
    look: "bar",
    state,
    d,
    t: acceptedAt,
    words: appendWords(append),
    begins: eventWords({ kind: "accepted", node: append.node, ids }),
    label: label && { ...label, y: top - 0.22 * lanes.rem },
  });
  append.acks.slice(0, w).forEach(({ node, t }, index) => {
    const from = Math.min(Math.max(x0, lanes.x(t)), x1 - 2);
    const step = height / w;
    if (endedAt !== null && t > endedAt) return;
    marks.push({
      ...base,
      key: `ack ${node}`,
      kind: "acked",
      look: "step",
      color: node,
      peer: node,
      t,
      d: shapes.box(from, top + height - step * (index + 1), x1 - from, step),
      words: `${node} acked ${idsWords(ids)}: ${index + 1} of ${w}`,
    });
  });
  if (endedAt !== null)
    marks.push({
      ...base,
      ...endMark({ kind, state }, x1, top, height, lanes),
      t: endedAt,
      words: appendWords(append),
    });
  return marks;
}

// An answer ends the bar with an edge; one that is no success with the shape of its reason, too. Where
// nobody told how the wait ended, the bar has the kind that it had, and a dashed edge.
function endMark({ kind, state }, x, top, height, { r }) {
  const [cx, cy] = [x + r * 1.5, top + height / 2];
  if (state === "canceled") return { key: "end", kind: state, look: "alarm", d: shapes.slash(cx, cy, r) };
  const edge = shapes.line(x, top - 2, x, top + height + 2);
  if (state === "unknown") return { key: "end", kind, look: "dashed", d: edge };
  if (state === "acked") return { key: "end", kind: "answered", look: "bold", d: edge };
  const reason = state === "timed-out" ? shapes.hourglass : shapes.triangle;
  return { key: "end", kind: "answered", look: "alarm", d: edge + reason(cx, cy, r) };
}

// Returns how an append is, in words.
function appendWords({ ids, w, acks, state, acceptedAt, endedAt }) {
  const needs = w === null ? "" : ` for ${plural(w, "node")}`;
  const by =
    acks.length === 0 ? "no node has acked it" : `acked by ${acks.map(({ node }) => node).join(", ")}`;
  if (endedAt === null) return `the client of ${idsWords(ids)} waits${needs}; ${by}`;
  const waited = `it waited ${((endedAt - acceptedAt) / 1000).toFixed(1)} ms${needs}`;
  return `${endWords(ids, state)}; ${waited}; ${by}`;
}

// Returns how the wait of a client ended, in words.
function endWords(ids, state) {
  if (state === "unknown") return `how the client of ${idsWords(ids)} was answered is not known`;
  return eventWords(state === "canceled" ? { kind: "canceled", ids } : { kind: "answered", ids, answer: state });
}
