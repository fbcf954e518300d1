// JSON that anybody may have written.

// Returns what a text says; undefined where it is not JSON.
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
