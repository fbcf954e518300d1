// Makes elements. Texts become text nodes, never HTML, so whatever a message contains is shown as
// it is.

const SVG = "http://www.w3.org/2000/svg";

// Returns the element of the page with an id; null: there is none.
export const part = (id) => document.getElementById(id);

// Returns a new element. Of `props`, `on` has listeners, `data` data attributes; a boolean sets or
// leaves out an attribute, null and undefined leave it out. Children that are strings become text.
export function make(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") {
      for (const [kind, listener] of Object.entries(value))
        element.addEventListener(kind, listener);
    } else if (name === "data") {
      for (const [key, datum] of Object.entries(value)) setData(element, key, datum);
    } else {
      setAttribute(element, name, value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Returns a new element of a drawing.
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Sets an attribute, or removes it: see `make`. Touches the element only where it differs.
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

// Sets the data attribute `key`, or removes it where the value is null or undefined.
export function setData(element, key, value) {
  setAttribute(element, `data-${key}`, value === true || value === false ? String(value) : value);
}

// Sets the text of an element, only where it differs, so that nothing is laid out again in vain.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Shows or hides an element.
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

// Makes the children of `parent` the elements that `build(key)` made for each key, in their order.
// Elements of keys that stay are kept, with their focus; others are removed. `kept` is a Map that
// the caller keeps.
export function keyed(parent, kept, keys, build) {
  const wanted = new Set(keys);
  for (const [key, element] of kept) {
    if (!wanted.has(key)) {
      element.remove();
      kept.delete(key);
    }
  }
  let place = parent.firstElementChild;
  for (const key of keys) {
    let element = kept.get(key);
    if (element === undefined) {
      element = build(key);
      kept.set(key, element);
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
}
