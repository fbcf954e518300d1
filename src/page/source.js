// The stream of events of the node that served the page, as items.

import { parsed } from "./json.js";

// The names of the stream's events; those without a name are events of nodes.
const NAMES = ["state", "messages", "sampled", "missed", "step", "past"];

// The names of items that may have come before this page did.
const PAST_NAMES = ["event", ...NAMES.filter((name) => name !== "past")];

// Most time for which an item is taken to be older than the page, in microseconds: a day. Smaller: the
// state of a scenario that stood still for longer, waiting for a key, would count as late, and move
// "now". Larger: a wrong time is in force for longer, because none goes back behind it.
const MOST_AGO = 86_400_000_000;

const ADDRESS = "/events?nodes=all&include=state,messages";

// Time after which a stream that was refused is asked for again, in milliseconds.
const AGAIN_MS = 3000;

// Returns the time of the page in microseconds since 1970, which never goes back.
export function pageTime() {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

// Reads the stream as long as there is a page, and connects again by itself. `onItem(item)` gets
// what comes, `onStatus({state, detail})` whether there is a connection: "connecting", "open",
// "lost". Items come in the order of their times: what came before this page did has the time at
// which it came to a page that was there, and what was missed while there was no connection the time
// at which there was one again.
export function liveSource({ onItem, onStatus }) {
  let latest = 0;
  const take = (event, text) => {
    const data = parsed(text);
    if (data === undefined) return;
    const isPast = event === "past";
    if (isPast && !isPastItem(data)) return;
    latest = Math.max(latest, pageTime() - (isPast ? Math.min(data.ago, MOST_AGO) : 0));
    onItem({ at: latest, ...(isPast ? { event: data.event, data: data.data } : { event, data }) });
  };
  const open = () => {
    const source = new EventSource(ADDRESS);
    source.addEventListener("message", ({ data }) => take("event", data));
    for (const name of NAMES) source.addEventListener(name, ({ data }) => take(name, data));
    source.addEventListener("open", () => {
      if (latest > 0) latest = pageTime();
      onStatus({ state: "open", detail: null });
    });
    source.addEventListener("error", () => {
      // After an answer that is no stream a browser does not try again by itself.
      const isRefused = source.readyState === EventSource.CLOSED;
      if (isRefused) setTimeout(open, AGAIN_MS);
      onStatus({ state: "lost", detail: isRefused ? "the node refuses its events" : null });
    });
  };
  onStatus({ state: "connecting", detail: null });
  open();
}

// Whether data are an item that came before the page did, `ago` microseconds ago.
function isPastItem(data) {
  return Number.isFinite(data?.ago) && data.ago >= 0 && PAST_NAMES.includes(data.event);
}
