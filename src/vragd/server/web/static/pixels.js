// Dots and thin lines, pixel by pixel: ten thousand in two milliseconds, where a canvas takes twenty of the same thread.

const PHASES = 4; // where within a pixel a dot's middle is: without that dots tremble while they move
const STEPS = 8; // of a pixel, in a dot's radius: while one zooms, what a dot covers is not reckoned for each frame
const KEPT = 64; // radii: as many as one zoom goes through
const SOLID = 0.8; // what lies below a dot this opaque is not seen but at its edge, where alone it is mixed

/** `#rrggbb` as it stands in memory; all machines with browsers have the lowest byte first. */
export const packed = (colour) => {
  const value = parseInt(colour.slice(1), 16);
  return (0xff000000 | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
};

function mixed(under, over, share) {
  const rb = under & 0xff00ff, g = under & 0xff00;
  return 0xff000000 | ((rb + (Math.imul((over & 0xff00ff) - rb, share) >>> 8)) & 0xff00ff) | ((g + (Math.imul((over & 0xff00) - g, share) >>> 8)) & 0xff00);
}

export class Pixels {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.image = new ImageData(width, height);
    this.data = new Int32Array(this.image.data.buffer); // signed: what a browser computes with without a detour
    this.made = new Map();
  }

  fill(colour) {
    this.data.fill(colour);
  }

  copy(other) {
    this.data.set(other.data);
  }

  /**
   * For each place within a pixel what of its neighbours a dot covers, those that it covers wholly first, up to `whole`:
   * their offsets, and shares of 256.
   */
  stamps(radius, opacity) {
    const key = `${radius} ${opacity}`, before = this.made.get(key);
    if (before) return before;
    const reach = Math.ceil(radius + 1.5);
    const dx = [], dy = [], share = [], from = [0], whole = [];
    for (let phase = 0; phase < PHASES * PHASES; phase++) {
      const cx = ((phase % PHASES) + 0.5) / PHASES, cy = (Math.floor(phase / PHASES) + 0.5) / PHASES;
      const edge = [], put = (x, y, covered) => {
        dx.push(x);
        dy.push(y);
        share.push(Math.round(256 * covered * opacity));
      };
      for (let y = -reach; y <= reach; y++)
        for (let x = -reach; x <= reach; x++) {
          const covered = radius + 0.5 - Math.hypot(x + 0.5 - cx, y + 0.5 - cy);
          if (covered >= 1) put(x, y, 1);
          else if (covered > 0.02) edge.push([x, y, covered]);
        }
      whole.push(dx.length);
      for (const one of edge) put(...one);
      from.push(dx.length);
    }
    const offset = dx.map((x, at) => x + dy[at] * this.width);
    const ints = (values) => Int32Array.from(values);
    const stamps = { reach, dx: ints(dx), dy: ints(dy), offset: ints(offset), share: ints(share), from: ints(from), whole: ints(whole) };
    if (this.made.size >= KEPT) this.made.clear();
    this.made.set(key, stamps);
    return stamps;
  }

  /** A dot at each (left + x·unit, top + y·unit), of the colour its number has in `colours`, on `ground`. */
  dots(x, y, left, top, unit, radius, opacity, number, colours, ground) {
    const { reach, dx, dy, offset, share, from, whole } = this.stamps(Math.round(radius * STEPS) / STEPS, opacity), { data, width, height } = this, inks = Int32Array.from(colours);
    const solid = opacity < SOLID ? null : inks.map((ink) => mixed(ground, ink, Math.round(256 * opacity)));
    for (let i = 0; i < x.length; i++) {
      const px = left + x[i] * unit, py = top + y[i] * unit, column = Math.floor(px), row = Math.floor(py);
      if (column < -reach || row < -reach || column >= width + reach || row >= height + reach) continue;
      const phase = ((px - column) * PHASES | 0) + PHASES * ((py - row) * PHASES | 0), end = from[phase + 1];
      const at = column + row * width, colour = inks[number[i]];
      const inside = column >= reach && row >= reach && column < width - reach && row < height - reach;
      if (inside) { // nearly all: nothing of them is asked for each pixel
        let k = from[phase];
        if (solid) for (const ink = solid[number[i]], core = whole[phase]; k < core; k++) data[at + offset[k]] = ink;
        for (; k < end; k++) {
          const p = at + offset[k];
          data[p] = mixed(data[p], colour, share[k]);
        }
        continue;
      }
      for (let k = from[phase]; k < end; k++) {
        if ((column + dx[k] < 0 || column + dx[k] >= width || row + dy[k] < 0 || row + dy[k] >= height)) continue;
        const p = at + offset[k];
        data[p] = mixed(data[p], colour, share[k]);
      }
    }
  }

  /** A line a pixel wide, its edges smooth; `opacity` of 256. */
  line(x0, y0, x1, y1, colour, opacity) {
    const { data, width, height } = this, steep = Math.abs(y1 - y0) > Math.abs(x1 - x0);
    if (steep) [x0, y0, x1, y1] = [y0, x0, y1, x1];
    if (x0 > x1) [x0, y0, x1, y1] = [x1, y1, x0, y0];
    const long = steep ? height : width, wide = steep ? width : height, along = steep ? width : 1, across = steep ? 1 : width;
    const slope = x1 > x0 ? (y1 - y0) / (x1 - x0) : 0;
    let first = Math.max(0, Math.ceil(x0)), last = Math.min(long - 1, Math.floor(x1));
    if (slope) { // only what is within the other two edges
      const enters = x0 + (0 - y0) / slope, leaves = x0 + (wide - 1 - y0) / slope;
      first = Math.max(first, Math.ceil(Math.min(enters, leaves)));
      last = Math.min(last, Math.floor(Math.max(enters, leaves)));
    } else if (y0 < 0 || y0 >= wide - 1) return;
    let y = y0 + (first - x0) * slope;
    for (let x = first; x <= last; x++, y += slope) {
      const row = Math.floor(y), share = y - row, p = x * along + row * across;
      if (row < 0 || row >= wide - 1) continue;
      data[p] = mixed(data[p], colour, opacity * (1 - share) | 0);
      data[p + across] = mixed(data[p + across], colour, opacity * share | 0);
    }
  }
}
