/** How wide words are. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { textWidths } from "../../../src/page/text-width.js";

test("words are as wide as the fonts of the style sheet make them, and each character is measured once", (t) => {
  const measured = [];
  // Each character is half as wide as high, of bold ones 0.6 times.
  const context = {
    measureText(character) {
      const [, weight, height] = /^(\d+) (\d+)px a font$/.exec(context.font);
      measured.push(character);
      return { width: height * (weight === "650" ? 0.6 : 0.5) };
    },
  };
  globalThis.document = { createElement: () => ({ getContext: () => context }) };
  t.after(() => delete globalThis.document);
  const widthOf = textWidths({
    plain: { size: 0.8, weight: "400", family: "a font" },
    bold: { size: 2, weight: "650", family: "a font" },
  });
  const widths = [widthOf("aba"), widthOf("a", true), widthOf("bb")];
  assert.deepEqual(
    widths.map((width) => width.toFixed(2)),
    ["1.20", "1.20", "0.80"],
  );
  assert.deepEqual(measured, ["a", "b", "a"]);
});
