// How wide words on the timeline are. Systems have other fonts, some a third wider than others, so
// the characters are measured.

// The size at which they are measured, in pixels. Smaller: widths are less exact.
const MEASURED = 100;

// Returns a function that gives the width of a text in rem, plain or bold. `fonts`: those of plain and
// of bold words, `{plain, bold}`, each with `size` in rem, `weight` and `family`. What a character takes
// is measured once.
export function textWidths(fonts) {
  const context = document.createElement("canvas").getContext("2d");
  const known = { plain: new Map(), bold: new Map() };
  const widthOf = (character, look) => {
    let width = known[look].get(character);
    if (width === undefined) {
      const { size, weight, family } = fonts[look];
      context.font = `${weight} ${MEASURED}px ${family}`;
      width = (context.measureText(character).width * size) / MEASURED;
      known[look].set(character, width);
    }
    return width;
  };
  return (text, isBold = false) => {
    let width = 0;
    for (const character of text) width += widthOf(character, isBold ? "bold" : "plain");
    return width;
  };
}
