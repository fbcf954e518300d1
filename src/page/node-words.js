// Says in words how a node is.

import { durationWords, plural } from "./words.js";

// Returns `{text, level, more}` of a node: `level` is "ok", "wait" or "alarm"; `more` is the reason,
// where there is one.
export function nodeWords(node) {
  const { health, row } = node;
  if (node.stateTime === null) return { text: "nothing heard yet", level: "wait" };
  if (!node.reachable)
    return { text: memberWords(row)?.text ?? "does not answer", level: "alarm", more: node.detail };
  const disk = diskWords(health?.disk);
  if (disk) return disk;
  if (node.role === "master") return masterWords(health);
  return memberWords(row) ?? strangerWords(node) ?? secondaryWords(node);
}

// Whether a secondary counts as healthy: the master hears from it, and it has caught up.
export function isWell({ status, phase }) {
  return status === "healthy" && phase === "ready";
}

// Returns how a secondary is that is no member of its master's cluster now, or null. Its own words may
// be older than the master.
function strangerWords({ isMember, refusal, health }) {
  if (isMember !== false) return null;
  if (refusal !== null) {
    const text = `refused: ${refusal.replaceAll("-", " ")}`;
    return { text, level: "alarm", more: health?.master?.lastError };
  }
  const isStale = health?.phase === "ready" || health?.phase === "catching-up";
  return isStale ? { text: "not connected to its master", level: "alarm" } : null;
}

// Returns the trouble with a disk, or null.
function diskWords(disk) {
  if (!disk || disk.state === "ok") return null;
  return { text: `disk ${disk.state}`, level: "alarm", more: disk.detail };
}

// Returns how a master is.
function masterWords(health) {
  if (health?.mode === "read-only") return { text: "refuses messages", level: "alarm" };
  return { text: "takes messages", level: "ok" };
}

// Returns what the master says of a secondary that it does not hear from, or null.
function memberWords(member) {
  if (!member?.status || member.status === "healthy") return null;
  const lacks = member.lag ? `lacks ${plural(member.lag, "message")}` : null;
  if (member.phase === "disconnected") {
    return {
      text: member.lag ? `disconnected, lacks ${member.lag}` : "disconnected",
      level: "alarm",
    };
  }
  const silent = typeof member.lastSeenMs === "number" ? `, silent ${durationWords(member.lastSeenMs)}` : "";
  const level = member.status === "suspected" ? "wait" : "alarm";
  return { text: `${member.status}${silent}`, level, more: lacks };
}

// Returns how a secondary is that the master hears from, or that speaks for itself.
function secondaryWords(node) {
  const { health } = node;
  const phase = health?.phase ?? node.row?.phase ?? "";
  const buffered = health?.buffered ?? 0;
  // A frame that was lost told the node nothing of what it lacks.
  const lag = Math.max(0, Math.max(health?.master?.logEnd ?? 0, node.masterEnd ?? 0) - node.end);
  const lacks =
    buffered > 0 ? `lacks ${lag}, holds ${buffered} back` : `lacks ${plural(lag, "message")}`;
  if (phase === "connecting") return { text: "connecting to its master", level: "alarm" };
  if (phase === "refused" || phase === "diverged" || phase === "failed") {
    return { text: phase, level: "alarm", more: health.master?.lastError };
  }
  const isBehind = lag > 0 || buffered > 0;
  if (phase === "catching-up") return { text: isBehind ? `catching up, ${lacks}` : "catching up", level: "wait" };
  if (isBehind) return { text: lacks, level: "wait" };
  return { text: "ready, has all", level: "ok" };
}
