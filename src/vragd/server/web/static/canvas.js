// Points, links and names on a canvas, and where on it something is. It knows nothing of notes but their numbers.
// Two layers: points and links below, what is found, pointed at and named above, which changes far more often.

import { INK, palette, scheme } from "/colours.js";
import { packed, Pixels } from "/pixels.js";

const CELLS = 64, NEAR_PX = 14, MOST_NAMES = 18, APART_PX = 6, STILL_MS = 140, LINKS_AT_ONCE = 1000, SLICE_MS = 4, MARGIN_PX = 44;
const FADED = 0.12, MANY = 2000; // points that lie upon each other would shine like those that are found

export class Canvas {
  constructor(below, above) {
    this.canvas = below;
    this.below = below.getContext("2d", { alpha: false });
    this.above = above;
    this.ctx = above.getContext("2d");
    this.names = new Map();
    this.view = { x: 0, y: 0, unit: 1 }; // what is in the middle, and how many pixels a 1 takes
    this.fitted = true;
    this.points = { n: 0, x: [], y: [], colour: [], titles: [] };
    this.links = [];
    this.regions = [];
    this.lit = null;
    this.hovered = this.chosen = -1;
    this.show_links = true;
    this.width = this.height = 1;
    this.asked = 0;
    this.moved_at = 0;
  }

  /** `x` and `y` in [-1, 1], a colour's number each; `links` pairs of numbers, one after the other. */
  set({ x, y, colour, titles, links, regions }) {
    this.points = { n: x.length, x, y, colour, titles };
    this.links = links;
    this.regions = regions;
    this.lit = null;
    this.hovered = this.chosen = -1;
    this.cells = Array.from({ length: CELLS * CELLS }, () => []);
    for (let i = 0; i < x.length; i++) this.cells[cell(x[i]) + CELLS * cell(y[i])].push(i);
    this.touching = null;
    const bounds = (values) => values.reduce(([least, most], one) => [Math.min(least, one), Math.max(most, one)], [1, -1]);
    this.bounds = x.length ? [...bounds(x), ...bounds(y)] : [-1, 1, -1, 1];
    if (this.fitted) this.fit();
    this.stale();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas.parentElement;
    if (!clientWidth || !clientHeight) return; // it is not seen, and stays as it was
    const ratio = Math.min(2, devicePixelRatio || 1);
    if (clientWidth === this.width && clientHeight === this.height && ratio === this.ratio) return;
    this.width = clientWidth;
    this.height = clientHeight;
    this.ratio = ratio;
    for (const one of [this.canvas, this.above]) {
      one.width = Math.round(this.width * ratio);
      one.height = Math.round(this.height * ratio);
    }
    this.pixels = this.lines = null;
    if (this.fitted) this.fit();
    this.stale();
  }

  at(x, y) {
    return [this.width / 2 + (x - this.view.x) * this.view.unit, this.height / 2 + (y - this.view.y) * this.view.unit];
  }

  /** How many pixels a 1 takes where all is seen. */
  get whole() {
    const [left, right, top, bottom] = this.bounds ?? [-1, 1, -1, 1];
    const across = (this.width - 2 * MARGIN_PX) / Math.max(0.2, right - left);
    return Math.max(40, Math.min(across, (this.height - 2 * MARGIN_PX) / Math.max(0.2, bottom - top)));
  }

  radius() {
    const few = this.points.n < 300 ? 5 : this.points.n < 3000 ? 3.4 : 2.4;
    return Math.min(9, few * Math.max(1, this.view.unit / this.whole) ** 0.4);
  }

  fit() {
    const [left, right, top, bottom] = this.bounds ?? [-1, 1, -1, 1];
    this.view = { x: (left + right) / 2, y: (top + bottom) / 2, unit: this.whole };
    this.fitted = true;
    this.stale();
  }

  move(dx, dy) {
    this.view.x -= dx / this.view.unit;
    this.view.y -= dy / this.view.unit;
    this.bounded();
  }

  /** Zoom so that what is at this place stays there. */
  zoom(by, px = this.width / 2, py = this.height / 2) {
    const before = this.view.unit;
    const x = this.view.x + (px - this.width / 2) / before, y = this.view.y + (py - this.height / 2) / before;
    this.view.unit = Math.min(60 * this.whole, Math.max(0.5 * this.whole, this.view.unit * by));
    this.view.x = x - (px - this.width / 2) / this.view.unit;
    this.view.y = y - (py - this.height / 2) / this.view.unit;
    this.bounded();
  }

  bounded() {
    this.view.x = Math.min(1.2, Math.max(-1.2, this.view.x));
    this.view.y = Math.min(1.2, Math.max(-1.2, this.view.y));
    this.moved_at = performance.now();
    this.fitted = false;
    this.stale();
  }

  /** Bring a point into view, where it is not. */
  reveal(i) {
    if (!this.ratio) return; // nobody has seen any of it yet
    const [x, y] = this.at(this.points.x[i], this.points.y[i]);
    if (x < 30 || y < 30 || x > this.width - 30 || y > this.height - 30) {
      this.view.x = this.points.x[i];
      this.view.y = this.points.y[i];
      this.bounded();
    }
  }

  /** The point at a place on the canvas; -1 for none. */
  near(px, py) {
    if (!this.points.n) return -1;
    const x = this.view.x + (px - this.width / 2) / this.view.unit, y = this.view.y + (py - this.height / 2) / this.view.unit;
    const reach = NEAR_PX / this.view.unit;
    let best = -1, least = reach * reach;
    for (let row = cell(y - reach); row <= cell(y + reach); row++)
      for (let column = cell(x - reach); column <= cell(x + reach); column++)
        for (const i of this.cells[column + CELLS * row]) {
          const away = (this.points.x[i] - x) ** 2 + (this.points.y[i] - y) ** 2;
          if (away < least && (!this.lit || this.lit.has(i) || least === reach * reach)) {
            best = i;
            least = away;
          }
        }
    return best;
  }

  linked(i) {
    if (!this.touching) {
      this.touching = new Map();
      for (let at = 0; at < this.links.length; at += 2)
        for (const [one, other] of [[this.links[at], this.links[at + 1]], [this.links[at + 1], this.links[at]]])
          this.touching.has(one) ? this.touching.get(one).push(other) : this.touching.set(one, [other]);
    }
    return this.touching.get(i) ?? [];
  }

  /** All is to be drawn anew, before the screen is. */
  stale() {
    this.points_good = this.lines_good = false;
    this.again();
  }

  /** What was found is other points: {number: rank}, or null for no question. */
  light(lit) {
    this.lit = lit;
    this.points_good = false;
    this.again();
  }

  again() {
    if (!this.asked) this.asked = requestAnimationFrame(() => this.frame());
  }

  frame() {
    this.asked = 0;
    if (!this.ratio) return;
    const ink = INK[scheme()];
    if (!this.points.n) this.draw_nothing(ink);
    else if (!this.points_good) this.draw_points(ink);
    const { ctx, ratio } = this;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, this.width, this.height);
    this.draw_strong(ink);
    this.draw_names(ink);
  }

  draw_nothing(ink) {
    this.below.fillStyle = ink.ground;
    this.below.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  draw_points(ink) {
    this.pixels ??= new Pixels(this.canvas.width, this.canvas.height);
    const { pixels, ratio, lit } = this, { x, y, colour } = this.points, unit = this.view.unit * ratio;
    const left = pixels.width / 2 - this.view.x * unit, top = pixels.height / 2 - this.view.y * unit;
    this.points_good = true;
    if (this.show_links && !lit && this.draw_lines(ink, left, top, unit)) pixels.copy(this.lines);
    else pixels.fill(packed(ink.ground));
    pixels.dots(x, y, left, top, unit, this.radius() * ratio, lit ? FADED * Math.min(1, Math.sqrt(MANY / (this.points.n + 1))) : 0.86, colour, palette().map(packed), packed(ink.ground));
    this.below.putImageData(pixels.image, 0, 0);
  }

  /** Many links are drawn in slices once the picture rests. Whether there is anything of them to be shown. */
  draw_lines(ink, left, top, unit) {
    this.lines ??= new Pixels(this.canvas.width, this.canvas.height);
    const began = performance.now(), { lines, links } = this, { x, y } = this.points, many = links.length / 2 > LINKS_AT_ONCE;
    const later = (wait) => {
      clearTimeout(this.later);
      this.later = setTimeout(() => {
        this.points_good = false;
        this.again();
      }, wait);
      return false;
    };
    if (many && began - this.moved_at < STILL_MS) return later(STILL_MS);
    if (!this.lines_good) {
      this.lines_good = true;
      this.drawn = 0;
      lines.fill(packed(ink.ground));
    }
    // of many each is fainter
    const colour = packed(ink.text), opacity = Math.max(5, Math.min(34, 34 * Math.sqrt(800 / (links.length + 1))));
    while (this.drawn < links.length) {
      const end = Math.min(links.length, this.drawn + 200);
      for (; this.drawn < end; this.drawn += 2) {
        const one = links[this.drawn], other = links[this.drawn + 1];
        lines.line(left + x[one] * unit, top + y[one] * unit, left + x[other] * unit, top + y[other] * unit, colour, opacity);
      }
      if (many && performance.now() - began > SLICE_MS) break;
    }
    if (this.drawn < links.length) return later(0);
    return true;
  }

  draw_strong(ink) {
    const { ctx, points } = this, focus = this.hovered >= 0 ? this.hovered : this.chosen;
    if (focus >= 0) {
      const [x, y] = this.at(points.x[focus], points.y[focus]);
      ctx.strokeStyle = ink.strong;
      ctx.beginPath();
      for (const other of this.linked(focus)) {
        ctx.moveTo(x, y);
        ctx.lineTo(...this.at(points.x[other], points.y[other]));
      }
      ctx.stroke();
    }
    const colours = palette(), radius = this.radius();
    const ringed = (i, by, width) => {
      const [x, y] = this.at(points.x[i], points.y[i]);
      ctx.fillStyle = colours[points.colour[i]];
      ctx.strokeStyle = ink.ring;
      ctx.lineWidth = width;
      ctx.beginPath();
      ctx.arc(x, y, radius + by, 0, 7);
      ctx.fill();
      ctx.stroke();
      ctx.lineWidth = 1;
    };
    for (const i of this.lit ? [...this.lit.keys()].reverse() : []) ringed(i, 2.2, 1.5);
    if (this.chosen >= 0) ringed(this.chosen, 3, 2);
    if (this.hovered >= 0) ringed(this.hovered, 2, 2);
  }

  /** A name as it is drawn: drawn once, for every frame. */
  name(text, size, ink) {
    const key = `${size} ${scheme()} ${this.ratio} ${text}`;
    if (this.names.has(key)) return this.names.get(key);
    if (this.names.size > 500) this.names.clear();
    const shown = text.length > 42 ? `${text.slice(0, 40)}…` : text, made = document.createElement("canvas");
    let ctx = made.getContext("2d");
    const font = `600 ${size}px system-ui, sans-serif`;
    ctx.font = font;
    const width = Math.ceil(ctx.measureText(shown).width) + 8, height = size + 8;
    made.width = width * this.ratio;
    made.height = height * this.ratio;
    ctx = made.getContext("2d");
    ctx.scale(this.ratio, this.ratio);
    Object.assign(ctx, { font, textBaseline: "middle", lineJoin: "round", lineWidth: 4, strokeStyle: ink.halo, fillStyle: ink.text });
    ctx.strokeText(shown, 4, height / 2);
    ctx.fillText(shown, 4, height / 2);
    const found = { made, width, height };
    this.names.set(key, found);
    return found;
  }

  /** Names of regions, or of what was found: as many as stand beside each other. */
  draw_names(ink) {
    const { points } = this, taken = [];
    const named = this.lit
      ? [...this.lit.keys()].slice(0, 12).map((i) => [points.titles[i], points.x[i], points.y[i], 12])
      : this.regions.map((one) => [one.name, one.x, one.y, 13]);
    for (const [text, x, y, size] of named) {
      if (taken.length >= MOST_NAMES) return;
      const [px, py] = this.at(x, y);
      if (px < 0 || py < 0 || px > this.width || py > this.height) continue;
      const { made, width, height } = this.name(text, size, ink);
      const left = Math.min(this.width - width, Math.max(0, px - width / 2));
      const top = py - height / 2 - (this.lit ? this.radius() + 12 : 0);
      if (taken.some((one) => left < one[2] && one[0] < left + width && top < one[3] && one[1] < top + height)) continue;
      taken.push([left - APART_PX, top - APART_PX, left + width + APART_PX, top + height + APART_PX]);
      this.ctx.drawImage(made, left, top, width, height);
    }
  }
}

function cell(value) {
  return Math.min(CELLS - 1, Math.max(0, Math.floor(((value + 1) / 2) * CELLS)));
}
