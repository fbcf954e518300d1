// Requests between nodes and their answers, put together from what both sides tell of them.

import { isAnswer } from "./sentences.js";

// Most exchanges of a node that wait for word of what became of their messages. Fewer: under load
// arrows end where the request came, without the time until its messages were stored. More: each event
// looks through more of them.
const MOST_OPEN = 256;

// Two sides may note the begin of a connection so far apart, in microseconds.
const APART = 5000;

// A frame that is sent so long after the first word of its exchange, in microseconds, is of another
// connection. Shorter: clocks that differ part what belongs together. Longer: a node that comes back soon
// seems to have received what it was not sent yet.
const BEFORE = 1_000_000;

// One way of an exchange: a frame from a node to another.
function leg(from, to) {
  return {
    from,
    to,
    // When it was sent and when it left, an injected delay later, the latter also by its node's clock;
    // null: not known.
    sentAt: null,
    leftAt: null,
    delayMs: 0,
    sentRaw: null,
    // When it came: twice if it was doubled.
    arrivals: [],
    // When an ack of its messages came, where its arrival was not told; null: not.
    impliedAt: null,
    // When it was lost by a fault; null: it was not.
    lostAt: null,
    frame: null,
    ids: null,
    attempt: 1,
    again: false,
    doubled: false,
    event: null,
    receivedEvent: null,
    lostEvent: null,
    doubledEvent: null,
  };
}

export class Exchanges {
  #byKey = new Map();
  // Per responder: exchanges whose request came, and whose messages are not yet known to be stored.
  #arrived = new Map();
  // Per requester: exchanges whose page was sent, and not yet told to have come.
  #pages = new Map();
  // A node and its peer, with the time from which on they are connected, as that node tells.
  #connected = new Map();
  #things;
  #clocks;
  #isMaster;

  constructor({ things, clocks, isMaster }) {
    this.#things = things;
    this.#clocks = clocks;
    this.#isMaster = isMaster;
  }

  // Notes that a node and its peer are connected from `t` on.
  connected({ node, peer }, t) {
    this.#connected.set(`${node} ${peer}`, t);
  }

  // Takes an event about a frame, placed at `t`.
  take(event, t) {
    const isRequester = this.#isRequester(event);
    const [requester, responder] = isRequester ? [event.node, event.peer] : [event.peer, event.node];
    const key = `${requester}>${responder}#${event.request}`;
    let exchange = this.#byKey.get(key);
    // The numbers begin at 0 again on each connection.
    if (exchange && this.#isOfOtherConnection(exchange, event, t)) exchange = undefined;
    if (exchange === undefined) {
      exchange = this.#things.add({
        type: "exchange",
        key,
        t,
        last: t,
        open: true,
        requester,
        responder,
        request: event.request,
        ids: event.ids ?? null,
        there: leg(requester, responder),
        back: leg(responder, requester),
        doneAt: null,
        arrivedRaw: null,
        answeredAt: null,
        timedOutAt: null,
        lateAt: null,
        secondAt: null,
        failedAt: null,
        answerEvent: null,
        timedOutEvent: null,
        lateEvent: null,
        failedEvent: null,
      });
      this.#byKey.set(key, exchange);
    }
    exchange.ids ??= event.ids ?? null;
    const way = isAnswer(event.frame) ? exchange.back : exchange.there;
    APPLY[event.kind]?.(exchange, event, t, way);
    if (event.kind === "received") this.#received(exchange, event);
    if (isFirst(event) && event.frame === "Page") addTo(this.#pages, requester, exchange);
    if (event.kind === "completed" || event.kind === "late") this.#answered(exchange, event);
    this.#things.touch(exchange, Math.max(t, way.leftAt ?? t));
  }

  // Notes that messages of requests that came to a node are stored, held or known at `t`.
  done(event, t) {
    const { node, kind, ids } = event;
    const arrived = this.#arrived.get(node);
    if (!arrived || !ids) return;
    for (const exchange of arrived) {
      const [first, end] = exchange.ids;
      const fits = kind === "stored" ? end <= ids[1] : first === ids[0] && end === ids[1];
      if (!fits) continue;
      exchange.doneAt = t;
      arrived.delete(exchange);
      this.#things.touch(exchange, t);
    }
  }

  // Notes an ack at `t`: pages below it came, although nobody told. A node that starts again is not
  // listened to at once.
  acked({ peer, ids }, t) {
    const pages = this.#pages.get(peer);
    if (!pages) return;
    for (const exchange of pages) {
      if (exchange.back.ids === null || exchange.back.ids[1] > ids[1]) continue;
      if (exchange.back.arrivals.length === 0) exchange.back.impliedAt = t;
      pages.delete(exchange);
      this.#things.touch(exchange, t);
    }
  }

  // Lets connections that began later begin at `t`: the clock was set back.
  setBack(t) {
    for (const [key, since] of this.#connected) this.#connected.set(key, Math.min(since, t));
  }

  // Forgets an exchange.
  forget(exchange) {
    if (this.#byKey.get(exchange.key) === exchange) this.#byKey.delete(exchange.key);
    this.#arrived.get(exchange.responder)?.delete(exchange);
    this.#pages.get(exchange.requester)?.delete(exchange);
  }

  #isOfOtherConnection({ there, t: begin }, { kind, frame, node, peer }, t) {
    // What a node that was paused reads may have waited for longer than the connection is there.
    if (kind === "handshake") return there.lostAt !== null || (there.arrivals.length > 0 && !there.doubled);
    // Nobody listened when its request was sent, as when a node has just started.
    if (there.sentAt === null) return isFirst({ kind }) && begin < t - BEFORE;
    if (isFirst({ kind }) && !isAnswer(frame)) return true;
    const since = this.#connected.get(`${node} ${peer}`) ?? -Infinity;
    return frame !== "Handshake" && there.sentAt < since - APART;
  }

  #received(exchange, event) {
    const sent = isAnswer(event.frame) ? exchange.back : exchange.there;
    if (sent.sentRaw !== null) {
      const before = { node: sent.from, time: sent.sentRaw };
      this.#clocks.order(before, { node: event.node, time: event.time });
    }
    if (isAnswer(event.frame) || !exchange.ids) return;
    exchange.arrivedRaw ??= event.time;
    addTo(this.#arrived, event.node, exchange);
  }

  #answered(exchange, event) {
    // Not when its messages were stored: that is noted only after the answer may have left.
    const raw = exchange.arrivedRaw;
    if (raw === null || event.kind !== "completed") return;
    const after = { node: event.node, time: event.time };
    this.#clocks.order({ node: exchange.responder, time: raw }, after);
  }

  // Whether the node of an event is the one that made the request.
  #isRequester({ kind, node, frame }) {
    if (kind === "received") return isAnswer(frame);
    if (kind === "handshake" || kind === "under-way") return false;
    if (kind === "failed") return !(frame === "AddMessage" && !this.#isMaster(node));
    if (kind === "completed" || kind === "timed-out" || kind === "late") return true;
    return !isAnswer(frame);
  }
}

// Whether a thing is an exchange that is out of the ordinary: something was lost, late, or sent once more.
export function isOdd({ type, there, back, timedOutAt, lateAt, failedAt }) {
  if (type !== "exchange") return false;
  const isOddWay = [there, back].some(({ lostAt, again, doubled }) => lostAt !== null || again || doubled);
  return isOddWay || timedOutAt !== null || lateAt !== null || failedAt !== null;
}

function isFirst({ kind }) {
  return kind === "sent" || kind === "resent";
}

// Adds an exchange to those of a node, of which the oldest goes when they are too many.
function addTo(sets, node, exchange) {
  let set = sets.get(node);
  if (!set) sets.set(node, (set = new Set()));
  set.add(exchange);
  if (set.size > MOST_OPEN) set.delete(set.values().next().value);
}

function sent(exchange, event, t, way) {
  Object.assign(way, {
    sentAt: t,
    delayMs: event.delayMs ?? 0,
    frame: event.frame,
    ids: event.ids ?? null,
    attempt: event.attempt ?? 1,
    again: event.kind === "resent",
    event,
  });
  exchange.t = Math.min(exchange.t, t);
  way.leftAt = t + way.delayMs * 1000;
  way.sentRaw = event.time + way.delayMs * 1000;
}

// Ends an exchange at its requester. One whose begin was not heard began so long before.
function ended(exchange, event, t) {
  exchange.open = false;
  const { there } = exchange;
  if (there.sentAt === null && event.tookMs) {
    there.sentAt = t - event.tookMs * 1000;
    there.leftAt = there.sentAt + (event.delayMs ?? 0) * 1000;
    there.frame = event.frame;
    there.ids = event.ids ?? null;
    there.event = event;
  }
}

const APPLY = {
  sent,
  resent: sent,
  delayed(exchange, event, t, way) {
    way.leftAt = t + (event.delayMs ?? 0) * 1000;
    way.delayMs = event.delayMs ?? 0;
  },
  dropped(exchange, event, t, way) {
    way.sentAt ??= t;
    way.leftAt ??= t;
    way.lostAt = Math.max(t, way.leftAt);
    way.frame ??= event.frame;
    way.lostEvent = event;
    way.event ??= event;
  },
  doubled(exchange, event, t, way) {
    way.doubled = true;
    way.doubledEvent = event;
  },
  received(exchange, event, t, way) {
    if (way.arrivals.length < 3) way.arrivals.push(t);
    way.frame ??= event.frame;
    way.ids ??= event.ids ?? null;
    way.receivedEvent ??= event;
  },
  handshake(exchange, event, t) {
    APPLY.received(exchange, event, t, exchange.there);
  },
  completed(exchange, event, t) {
    ended(exchange, event, t);
    exchange.answeredAt = t;
    exchange.answerEvent = event;
  },
  late(exchange, event, t) {
    ended(exchange, event, t);
    if (exchange.answeredAt === null && exchange.lateAt === null) exchange.lateAt = t;
    else exchange.secondAt = t;
    exchange.lateEvent = event;
  },
  "timed-out"(exchange, event, t) {
    ended(exchange, event, t);
    exchange.timedOutAt = t;
    exchange.timedOutEvent = event;
  },
  failed(exchange, event, t) {
    exchange.failedAt = t;
    exchange.failedEvent = event;
  },
};

// The kinds of events that are about a frame with a request number.
export const FRAME_KINDS = new Set([...Object.keys(APPLY), "under-way"]);
