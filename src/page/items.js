// Whether items are what their names say, as far as the page relies on it: recordings are files
// that anybody may have written.

const ROLES = ["master", "secondary"];

const isText = (value) => typeof value === "string";
const isNumber = (value) => Number.isFinite(value);
const isTextOrNone = (value) => value === undefined || value === null || isText(value);
const isNumberOrNone = (value) => value === undefined || value === null || isNumber(value);
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// Whether a value is `[first, end)`.
function isSpan(value) {
  return (
    Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger) && value[0] <= value[1]
  );
}

const isRangeOrNone = (value) => {
  return (
    value === undefined ||
    value === null ||
    (Array.isArray(value) && value.length === 2 && value.every(isNumber))
  );
};

// Kinds of events that say nothing without messages.
const WITH_IDS = new Set([
  "stored",
  "held",
  "gap-closed",
  "duplicate",
  "store-delayed",
  "accepted",
  "waits",
  "acked",
  "durable",
  "answered",
  "canceled",
]);

const NUMBERS = [
  "request",
  "attempt",
  "delayMs",
  "tookMs",
  "pauseMs",
  "from",
  "end",
  "logEnd",
  "writeConcern",
  "timeoutMs",
  "epoch",
  "healthy",
  "required",
  "clusterSize",
  "count",
];
const TEXTS = ["peer", "frame", "answer", "address", "status", "mode", "role", "state", "code", "detail"];

function isEvent(data) {
  if (!isText(data.node) || !isNumber(data.time) || !isNumber(data.id) || !isText(data.kind)) return false;
  if (data.ids === undefined ? WITH_IDS.has(data.kind) : !isSpan(data.ids)) return false;
  if (data.faults !== undefined && !isFaults(data.faults)) return false;
  return (
    NUMBERS.every((name) => isNumberOrNone(data[name])) && TEXTS.every((name) => isTextOrNone(data[name]))
  );
}

function isFaults(faults) {
  if (faults === null) return true;
  if (!isObject(faults)) return false;
  const rates = [faults.dropRate, faults.duplicateRate, faults.errorRate];
  return (
    rates.every(isNumberOrNone) && isRangeOrNone(faults.sendDelayMs) && isRangeOrNone(faults.storeDelayMs)
  );
}

function isState(data) {
  if (!isText(data.node) || !isNumber(data.time) || typeof data.reachable !== "boolean") return false;
  const { health, faults, detail, url } = data;
  if (!isTextOrNone(detail) || !isTextOrNone(url) || !isFaults(faults ?? null)) return false;
  return health === null || health === undefined || (isObject(health) && isHealth(health));
}

function isHealth(health) {
  if (!ROLES.includes(health.role)) return false;
  const numbers = [
    "logStart",
    "logEnd",
    "committedEnd",
    "epoch",
    "clusterSize",
    "waitingSenders",
    "buffered",
  ];
  if (!numbers.every((name) => isNumberOrNone(health[name]))) return false;
  if (!["mode", "phase"].every((name) => isTextOrNone(health[name]))) return false;
  for (const part of [health.disk, health.quorum, health.master]) {
    if (part !== undefined && part !== null && !isObject(part)) return false;
  }
  if (health.role === "secondary") return true;
  return isRows(health.secondaries, isMember) && isRows(health.refused ?? [], isObject);
}

function isRows(rows, fits) {
  return Array.isArray(rows) && rows.every((row) => isObject(row) && fits(row));
}

function isMember(row) {
  const numbers = ["ackedEnd", "lag", "inFlight", "retries", "rttMs", "lastSeenMs"];
  return (
    isText(row.name) &&
    isTextOrNone(row.status) &&
    isTextOrNone(row.phase) &&
    numbers.every((name) => isNumberOrNone(row[name]))
  );
}

const FITS = {
  event: isEvent,
  state: isState,
  messages: ({ node, from, messages }) => {
    return isText(node) && Number.isSafeInteger(from) && Array.isArray(messages) && messages.every(isText);
  },
  step: ({ text, state, seen }) => isText(text) && isTextOrNone(state) && isTextOrNone(seen),
  sampled: ({ leftOut, every, node }) => isNumber(leftOut) && isNumber(every) && isTextOrNone(node),
  missed: ({ count, node }) => isNumber(count) && isTextOrNone(node),
  connection: ({ open }) => typeof open === "boolean",
};

// Whether an item is well-formed. Those with a name that is not known are, and are passed over.
export function isWellFormed({ at, event, data }) {
  if (!isNumber(at) || !isObject(data)) return false;
  return !Object.hasOwn(FITS, event) || FITS[event](data);
}
