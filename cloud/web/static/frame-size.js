// The size of the frame that a record's boxes refer to, so that a stored picture lies under them.

const DEFAULT_SIZE = { width: 1280, height: 720 };
const SAME_SHAPE = 0.02;

const isSize = (size) => Array.isArray(size) && size.length === 2 && size.every((value) => Number.isFinite(value) && value > 0);
const sameShape = (a, b) => Math.abs(a.width / a.height / (b.width / b.height) - 1) < SAME_SHAPE;
const contains = (frame, boxes) => boxes.every((box) => box.x + box.width <= frame.width && box.y + box.height <= frame.height);

// The record states the size. Older records do not: then it is the picture's size, doubled until it
// contains the boxes, because pictures are stored at half or a quarter of the size.
export function findFrameSize(record, camera, boxes, picture = null) {
  const stated = Object.hasOwn(record.frameSizes ?? {}, camera) ? record.frameSizes[camera] : null;
  if (isSize(stated)) return { width: stated[0], height: stated[1] };
  if (!picture || !(picture.width > 0 && picture.height > 0)) return DEFAULT_SIZE;
  if (sameShape(picture, DEFAULT_SIZE) && picture.width <= DEFAULT_SIZE.width && contains(DEFAULT_SIZE, boxes)) return DEFAULT_SIZE;
  let frame = picture;
  for (let times = 0; times < 4 && !contains(frame, boxes); times += 1) {
    frame = { width: 2 * frame.width, height: 2 * frame.height };
  }
  return frame;
}
