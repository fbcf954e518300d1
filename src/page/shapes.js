// Shapes of marks as paths of SVG, each round a point. One shape stands for one outcome.

const f = (number) => Math.round(number * 10) / 10;

export function circle(x, y, r) {
  return `M${f(x - r)} ${f(y)}a${f(r)} ${f(r)} 0 1 0 ${f(2 * r)} 0a${f(r)} ${f(r)} 0 1 0 ${f(-2 * r)} 0`;
}

// Returns a ring in a ring; `inner` is the share of the inner one.
export function doubleRing(x, y, r, inner = 0.45) {
  return circle(x, y, r) + circle(x, y, r * inner);
}

export function cross(x, y, r) {
  return `M${f(x - r)} ${f(y - r)}L${f(x + r)} ${f(y + r)}M${f(x + r)} ${f(y - r)}L${f(x - r)} ${f(y + r)}`;
}

export function square(x, y, r) {
  return `M${f(x - r)} ${f(y - r)}h${f(2 * r)}v${f(2 * r)}h${f(-2 * r)}Z`;
}

export function diamond(x, y, r) {
  return `M${f(x)} ${f(y - r)}L${f(x + r)} ${f(y)}L${f(x)} ${f(y + r)}L${f(x - r)} ${f(y)}Z`;
}

export function hourglass(x, y, r) {
  const w = r * 0.85;
  return `M${f(x - w)} ${f(y - r)}H${f(x + w)}L${f(x - w)} ${f(y + r)}H${f(x + w)}Z`;
}

export function triangle(x, y, r) {
  return `M${f(x)} ${f(y - r)}L${f(x + r)} ${f(y + r * 0.8)}H${f(x - r)}Z`;
}

export function slash(x, y, r) {
  return `M${f(x - r * 0.6)} ${f(y + r)}L${f(x + r * 0.6)} ${f(y - r)}`;
}

export function line(x0, y0, x1, y1) {
  return `M${f(x0)} ${f(y0)}L${f(x1)} ${f(y1)}`;
}

export function box(x, y, width, height) {
  return `M${f(x)} ${f(y)}h${f(width)}v${f(height)}h${f(-width)}Z`;
}

// Returns the head of an arrow that comes from (x0, y0) and ends at (x1, y1).
export function head(x0, y0, x1, y1, size) {
  const length = Math.hypot(x1 - x0, y1 - y0) || 1;
  const [dx, dy] = [(x1 - x0) / length, (y1 - y0) / length];
  const [bx, by] = [x1 - dx * size, y1 - dy * size];
  const [nx, ny] = [-dy * size * 0.45, dx * size * 0.45];
  return `M${f(x1)} ${f(y1)}L${f(bx + nx)} ${f(by + ny)}L${f(bx - nx)} ${f(by - ny)}Z`;
}
