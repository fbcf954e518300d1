/** What is wrong with how a page looks, and with how it is told to those who do not see it. */

/**
 * Returns what is wrong with the layout of the page that it runs in: a page wider than the window, labels of buttons
 * that are cut, and texts that lie on each other.
 */
export function faultsOfLayout() {
  const root = document.documentElement;
  const wide = root.scrollWidth > root.clientWidth ? [`${root.scrollWidth} pixels wide`] : [];
  const isCut = ({ scrollWidth, clientWidth }) => scrollWidth > clientWidth + 1;
  const cut = [...document.querySelectorAll("button")].filter(isCut).map((it) => `cut: ${it.textContent}`);

  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !parent.checkVisibility({ visibilityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    for (const { left, top, right, bottom } of range.getClientRects()) {
      const text = { left, top, right, bottom, parent, data: walker.currentNode.data };
      // Only what its boxes let be seen.
      for (let box = parent; box; box = box.parentElement) {
        if (getComputedStyle(box).overflow === "visible" || box === root || box === document.body) continue;
        const bounds = box.getBoundingClientRect();
        text.left = Math.max(text.left, bounds.left);
        text.top = Math.max(text.top, bounds.top);
        text.right = Math.min(text.right, bounds.right);
        text.bottom = Math.min(text.bottom, bounds.bottom);
      }
      if (text.right - text.left > 2 && text.bottom - text.top > 2) texts.push(text);
    }
  }
  const overlap = (one, other) => {
    const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    // The boxes of letters in neighbouring lines may touch.
    return width > 2 && height > 0.35 * Math.min(one.bottom - one.top, other.bottom - other.top);
  };
  const pairs = texts.flatMap((one, at) => {
    const others = texts.slice(at + 1).filter((other) => other.parent !== one.parent && overlap(one, other));
    return others.map((other) => `"${one.data.trim()}" lies on "${other.data.trim()}"`);
  });
  return [...wide, ...cut, ...pairs];
}

/**
 * Returns the findings of axe-core, whose source is given, in the page of a tab or in an element: rule, impact, and
 * what it is about.
 */
export async function audit(tab, source, selector) {
  const { frameTree } = await tab.call("Page.getFrameTree");
  // A world of its own: the page's policy and globals stay as they are.
  const world = { frameId: frameTree.frame.id, worldName: "audit" };
  const { executionContextId } = await tab.call("Page.createIsolatedWorld", world);
  const options = { contextId: executionContextId };
  await tab.evaluate(`${source}; undefined`, options);
  const violations = await tab.evaluate(
    `axe.run("${selector}", { resultTypes: ["violations"] }).then(({ violations }) => violations)`,
    options,
  );
  return violations.map(({ id, impact, nodes }) => {
    return { id, impact, at: nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary}`) };
  });
}
