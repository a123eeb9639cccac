// Zooms to a part of a picture: the picture and its boxes are scaled together about one point.

const MAX_FACTOR = 3;
const MIN_FACTOR = 1.25;
const FILLED_SHARE = 0.5;
const STAGE_SHAPE = 16 / 9;

// The zoom factor and the fixed point, in shares of the stage, that fill the stage with all boxes.
export function computeCloseUp(frame, boxes) {
  const left = Math.min(...boxes.map((box) => box.x));
  const top = Math.min(...boxes.map((box) => box.y));
  const right = Math.max(...boxes.map((box) => box.x + box.width));
  const bottom = Math.max(...boxes.map((box) => box.y + box.height));
  const shape = frame.width / frame.height;
  const used = { x: Math.min(1, shape / STAGE_SHAPE), y: Math.min(1, STAGE_SHAPE / shape) };
  const width = ((right - left) / frame.width) * used.x;
  const height = ((bottom - top) / frame.height) * used.y;
  const factor = Math.min(MAX_FACTOR, FILLED_SHARE / width, FILLED_SHARE / height);
  if (!(factor >= MIN_FACTOR)) return null;
  const middle = {
    x: 0.5 + ((left + right) / 2 / frame.width - 0.5) * used.x,
    y: 0.5 + ((top + bottom) / 2 / frame.height - 0.5) * used.y,
  };
  const fixed = (share) => Math.min(1, Math.max(0, (factor * share - 0.5) / (factor - 1)));
  return { factor, x: fixed(middle.x), y: fixed(middle.y) };
}

export function applyCloseUp(stage, frame, boxes) {
  const view = computeCloseUp(frame, boxes);
  if (!view) return;
  stage.style.transformOrigin = `${view.x * 100}% ${view.y * 100}%`;
  stage.style.transform = `scale(${view.factor})`;
  stage.style.setProperty("--zoom", view.factor);
}
