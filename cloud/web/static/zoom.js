// Brings a part of a picture close: the picture and its boxes are enlarged about one point together.

const GREATEST = 3;
const SMALLEST = 1.25;
const FILLED = 0.5;
const STAGE_SHAPE = 16 / 9;

// The factor and the fixed point, in shares of the stage, that bring all boxes of a frame close.
export function closeUpOf(frame, boxes) {
  const left = Math.min(...boxes.map((box) => box.x));
  const top = Math.min(...boxes.map((box) => box.y));
  const right = Math.max(...boxes.map((box) => box.x + box.width));
  const bottom = Math.max(...boxes.map((box) => box.y + box.height));
  const shape = frame.width / frame.height;
  const used = { x: Math.min(1, shape / STAGE_SHAPE), y: Math.min(1, STAGE_SHAPE / shape) };
  const width = ((right - left) / frame.width) * used.x;
  const height = ((bottom - top) / frame.height) * used.y;
  const factor = Math.min(GREATEST, FILLED / width, FILLED / height);
  if (!(factor >= SMALLEST)) return null;
  const middle = {
    x: 0.5 + ((left + right) / 2 / frame.width - 0.5) * used.x,
    y: 0.5 + ((top + bottom) / 2 / frame.height - 0.5) * used.y,
  };
  const fixed = (share) => Math.min(1, Math.max(0, (factor * share - 0.5) / (factor - 1)));
  return { factor, x: fixed(middle.x), y: fixed(middle.y) };
}

export function closeUp(stage, frame, boxes) {
  const view = closeUpOf(frame, boxes);
  if (!view) return;
  stage.style.transformOrigin = `${view.x * 100}% ${view.y * 100}%`;
  stage.style.transform = `scale(${view.factor})`;
  stage.style.setProperty("--zoom", view.factor);
}
