// Builds elements. Text from the outside only ever becomes text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

function fillElement(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function createElement(tag, attributes = {}, ...children) {
  return fillElement(document.createElement(tag), attributes, children);
}

export function createSvg(tag, attributes = {}, ...children) {
  return fillElement(document.createElementNS(SVG, tag), attributes, children);
}

export const byId = (id) => document.getElementById(id);

const shown = new WeakMap();

// Updates an element's content when its data has changed.
export function renderIfChanged(element, data, build) {
  const text = JSON.stringify(data);
  if (shown.get(element) === text) return;
  shown.set(element, text);
  mergeChildren(element, [build(data)].flat());
}

// Merges new content into the element and keeps nodes of the same kind: focus, clicks and open details survive.
function mergeChildren(element, wanted) {
  const present = [...element.childNodes];
  wanted.forEach((node, place) => {
    if (place >= present.length) element.append(node);
    else if (!sameKind(present[place], node)) present[place].replaceWith(node);
    else mergeNode(present[place], node);
  });
  present.slice(wanted.length).forEach((node) => node.remove());
}

const sameKind = (a, b) => a.nodeName === b.nodeName && dataKey(a) === dataKey(b);
const dataKey = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null);

function mergeNode(present, wanted) {
  if (present.nodeType === Node.TEXT_NODE) {
    if (present.data !== wanted.data) present.data = wanted.data;
    return;
  }
  for (const { name } of [...present.attributes]) {
    if (name !== "style" && !wanted.hasAttribute(name)) present.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (name !== "style" && present.getAttribute(name) !== value) present.setAttribute(name, value);
  }
  present.style.cssText = wanted.style.cssText; // the page's policy forbids the attribute itself
  mergeChildren(present, [...wanted.childNodes]);
}
