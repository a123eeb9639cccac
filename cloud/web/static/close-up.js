// Zooms to a part of a picture: the picture and its boxes are scaled together about one point.

const MAX_FACTOR = 3;
const MIN_PIXELS_SHOWN = 160; // of the frame's width: a small picture shows nothing more when enlarged
const MIN_FACTOR = 1.25;
const FILLED_SHARE = 0.5;

// The zoom factor and the fixed point, in shares of the frame, that fill the frame with all boxes.
export function computeCloseUp(frame, boxes) {
  const left = Math.min(...boxes.map((box) => box.x)) / frame.width;
  const top = Math.min(...boxes.map((box) => box.y)) / frame.height;
  const right = Math.max(...boxes.map((box) => box.x + box.width)) / frame.width;
  const bottom = Math.max(...boxes.map((box) => box.y + box.height)) / frame.height;
  const factor = Math.min(MAX_FACTOR, frame.width / MIN_PIXELS_SHOWN, FILLED_SHARE / (right - left), FILLED_SHARE / (bottom - top));
  if (!(factor >= MIN_FACTOR)) return null;
  const fixed = (low, high) => Math.min(1, Math.max(0, ((factor * (low + high)) / 2 - 0.5) / (factor - 1)));
  return { factor, x: fixed(left, right), y: fixed(top, bottom) };
}

export function applyCloseUp(element, frame, boxes) {
  const view = computeCloseUp(frame, boxes);
  if (!view) return;
  element.style.transformOrigin = `${view.x * 100}% ${view.y * 100}%`;
  element.style.transform = `scale(${view.factor})`;
  element.style.setProperty("--zoom", view.factor);
}

export function removeCloseUp(element) {
  for (const name of ["transform", "transform-origin", "--zoom"]) element?.style.removeProperty(name);
}
