// The choices of a write concern in the form that appends.

// Nodes up to which each number has a choice of its own; larger ones are typed.
export const NUMBERED_CHOICES = 5;

// Returns the id of the choice of a number of nodes: that of the word `other` where it has none.
export function choiceFor(count, other) {
  return `concern-${count <= NUMBERED_CHOICES ? count : other}`;
}
