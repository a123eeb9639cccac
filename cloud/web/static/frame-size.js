// In which frame a record's boxes are given, and how a kept picture of it is to be laid under them.

const DEFAULT_SIZE = { width: 1280, height: 720 };
const SAME_SHAPE = 0.02;

const isSize = (size) => Array.isArray(size) && size.length === 2 && size.every((value) => Number.isFinite(value) && value > 0);
const sameShape = (a, b) => Math.abs(a.width / a.height / (b.width / b.height) - 1) < SAME_SHAPE;
const contains = (frame, boxes) => boxes.every((box) => box.x + box.width <= frame.width && box.y + box.height <= frame.height);

// The record says it; one of before does not: then it is the picture, doubled until the boxes lie in it,
// for pictures are kept halved and halved again.
export function findFrameSize(record, camera, boxes, picture = null) {
  const told = Object.hasOwn(record.frameSizes ?? {}, camera) ? record.frameSizes[camera] : null;
  if (isSize(told)) return { width: told[0], height: told[1] };
  if (!picture || !(picture.width > 0 && picture.height > 0)) return DEFAULT_SIZE;
  if (sameShape(picture, DEFAULT_SIZE) && picture.width <= DEFAULT_SIZE.width && contains(DEFAULT_SIZE, boxes)) return DEFAULT_SIZE;
  let frame = picture;
  for (let times = 0; times < 4 && !contains(frame, boxes); times += 1) {
    frame = { width: 2 * frame.width, height: 2 * frame.height };
  }
  return frame;
}
