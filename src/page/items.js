// Whether items are what their names say, as far as the page relies on it: recordings are files
// that anybody may have written.

const ROLES = ["master", "secondary"];

const isText = (value) => typeof value === "string";
const isNumber = (value) => Number.isFinite(value);
const isNone = (value) => value === undefined || value === null;
const isTextOrNone = (value) => isNone(value) || isText(value);
const isNumberOrNone = (value) => isNone(value) || isNumber(value);
const isPositionOrNone = (value) => isNone(value) || Number.isSafeInteger(value);
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// Whether a value is a time in microseconds. With larger ones nothing could be counted.
export const isTime = (value) => Number.isSafeInteger(value) && value >= 0;

// Whether a value is `[first, end)`.
function isSpan(value) {
  return (
    Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger) && value[0] <= value[1]
  );
}

const isRangeOrNone = (value) => {
  return isNone(value) || (Array.isArray(value) && value.length === 2 && value.every(isNumber));
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
  "writeConcern",
  "timeoutMs",
  "epoch",
  "healthy",
  "required",
  "clusterSize",
  "count",
];
const POSITIONS = ["from", "end", "logEnd"];
const TEXTS = ["peer", "frame", "answer", "address", "status", "mode", "role", "state", "code", "detail"];

function isEvent(data) {
  if (!isText(data.node) || !isTime(data.time) || !isNumber(data.id) || !isText(data.kind)) return false;
  if (data.ids === undefined ? WITH_IDS.has(data.kind) : !isSpan(data.ids)) return false;
  if (data.faults !== undefined && !isFaults(data.faults)) return false;
  return areAll(data, [NUMBERS, isNumberOrNone], [POSITIONS, isPositionOrNone], [TEXTS, isTextOrNone]);
}

// Whether members of an object fit, each list of names as it says.
function areAll(object, ...lists) {
  return lists.every(([names, fits]) => names.every((name) => fits(object[name])));
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
  if (!isText(data.node) || !isTime(data.time) || typeof data.reachable !== "boolean") return false;
  const { health, faults, detail, url } = data;
  if (!isTextOrNone(detail) || !isTextOrNone(url) || !isFaults(faults ?? null)) return false;
  return isNone(health) || (isObject(health) && isHealth(health));
}

function isHealth(health) {
  const { role, disk, quorum, master, secondaries, refused } = health;
  const isSecondary = role === "secondary";
  return (
    ROLES.includes(role) &&
    areAll(
      health,
      [["logStart", "logEnd", "committedEnd"], isPositionOrNone],
      [["epoch", "clusterSize", "waitingSenders", "buffered"], isNumberOrNone],
      [["mode", "phase"], isTextOrNone],
    ) &&
    isPart(disk, [["state", "detail"], isTextOrNone]) &&
    isPart(quorum, [["healthy", "required"], isNumberOrNone]) &&
    isPart(master, [["name", "address", "lastError"], isTextOrNone], [["logEnd"], isPositionOrNone]) &&
    ((isSecondary && isNone(secondaries)) || isRows(secondaries, isMember)) &&
    (isNone(refused) || isRows(refused, isRefused))
  );
}

// Whether a part of a node's health, if it is there, has members that fit.
function isPart(part, ...lists) {
  return isNone(part) || (isObject(part) && areAll(part, ...lists));
}

function isRows(rows, fits) {
  return Array.isArray(rows) && rows.every((row) => isObject(row) && isText(row.name) && fits(row));
}

function isMember(row) {
  return areAll(
    row,
    [["ackedEnd"], isPositionOrNone],
    [["lag", "inFlight", "retries", "rttMs", "lastSeenMs"], isNumberOrNone],
    [["status", "phase"], isTextOrNone],
  );
}

function isRefused({ code }) {
  return isTextOrNone(code);
}

const FITS = {
  event: isEvent,
  state: isState,
  messages: ({ node, from, messages }) => {
    if (!isText(node) || !Number.isSafeInteger(from)) return false;
    return Array.isArray(messages) && Number.isSafeInteger(from + messages.length) && messages.every(isText);
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
