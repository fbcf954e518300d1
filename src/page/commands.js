// Sends faults to the node that served the page, which passes them on to the node that they are for.

import { punctuated } from "./words.js";

// Sends `body` (null: none) to `path` of the node `name`. Returns a promise of null, or of what went
// wrong in words.
export async function sendFault(name, method, path, body) {
  // Also when the page is being left.
  const options = { method, keepalive: true };
  if (body !== null) options.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(`${path}?node=${encodeURIComponent(name)}`, options);
  } catch {
    return "The node that served this page does not answer. Try again when it does.";
  }
  if (response.ok) return null;
  const problem = await response.json().catch(() => null);
  return punctuated(problem?.detail ?? `the answer was ${response.status}`);
}
