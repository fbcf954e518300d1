// How wide words on the timeline are. Systems have other fonts, some a third wider than others, so
// the characters are measured.

// The size at which they are measured, in pixels. Smaller: widths are less exact.
const MEASURED = 100;

// The size of words on the timeline, in rem, and their weights: see .tl-label.
const SIZE = 0.8333;
const WEIGHTS = { thin: 400, bold: 600 };

// Returns a function that gives the width of a text in rem, plain or bold. `family`: its fonts. What
// a character takes is measured once.
export function textWidths(family) {
  const context = document.createElement("canvas").getContext("2d");
  const known = { thin: new Map(), bold: new Map() };
  const widthOf = (character, weight) => {
    let width = known[weight].get(character);
    if (width === undefined) {
      context.font = `${WEIGHTS[weight]} ${MEASURED}px ${family}`;
      width = (context.measureText(character).width * SIZE) / MEASURED;
      known[weight].set(character, width);
    }
    return width;
  };
  return (text, isBold = false) => {
    let width = 0;
    for (const character of text) width += widthOf(character, isBold ? "bold" : "thin");
    return width;
  };
}
