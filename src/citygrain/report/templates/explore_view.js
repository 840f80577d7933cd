// The map on the screen: where it looks, how it is drawn, and how mouse, fingers and keys move it.

const LARGEST = 32; // dots of the screen along a pixel of the scene

class View {
  constructor(box, tiles) {
    Object.assign(this, { box, tiles, left: "scene", right: "map", swipe: 0.5, cursor: null, overlay: null });
    this.canvas = box.querySelector("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.listeners = [];
    this.waiting = false;
    this.pointers = new Map();
    this.resize();
    this.whole();
    new ResizeObserver(() => this.resize()).observe(box);
    this.listen();
  }

  // Where it looks. (x, y) is the pixel of the scene in the middle, scale the dots along one pixel.

  get fit() {
    return Math.min(this.width / facts.shape[1], this.height / facts.shape[0]);
  }

  whole() {
    [this.y, this.x] = facts.shape.map((side) => side / 2);
    this.scale = this.fit;
    this.changed();
  }

  resize() {
    const whole = this.scale === undefined || Math.abs(this.scale / this.fit - 1) < 1e-6;
    this.ratio = window.devicePixelRatio || 1;
    [this.width, this.height] = [Math.max(1, this.box.clientWidth), Math.max(1, this.box.clientHeight)];
    this.canvas.width = Math.round(this.width * this.ratio);
    this.canvas.height = Math.round(this.height * this.ratio);
    const tiles = (side) => Math.ceil((2 * side) / facts.tile) + 1; // a tile is at least half its size on the screen
    this.tileLimit = 24 + tiles(this.canvas.width) * tiles(this.canvas.height);
    this.tiles.bitmapCache.limit = this.tileLimit;
    if (whole) this.whole();
    else this.move(0, 0);
  }

  /** Move by dots of the screen; the middle stays on the scene. */
  move(right, down) {
    this.x = Math.min(facts.shape[1], Math.max(0, this.x + right / this.scale));
    this.y = Math.min(facts.shape[0], Math.max(0, this.y + down / this.scale));
    this.changed();
  }

  /** Zoom so that the place at (px, py) on the screen stays there. */
  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.place(px, py);
    const least = Math.min(this.fit, 1);
    this.scale = Math.min(LARGEST, Math.max(least, this.scale * factor));
    this.x = x - (px - this.width / 2) / this.scale;
    this.y = y - (py - this.height / 2) / this.scale;
    if (this.scale <= this.fit * 1.001) [this.y, this.x] = facts.shape.map((side) => side / 2);
    this.move(0, 0);
  }

  /** Show a box of the scene (top, left, bottom, right) on `around` times its side. */
  show(box, around) {
    [this.y, this.x] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    const side = Math.max(box[2] - box[0], box[3] - box[1], 4) * around;
    this.scale = Math.min(LARGEST, Math.max(this.fit, Math.min(this.width, this.height) / side));
    this.cursor = null;
    if (this.hover) this.hover(null);
    this.changed();
  }

  /** The place of the scene (x, y) under a dot of the screen. */
  place(px, py) {
    return [this.x + (px - this.width / 2) / this.scale, this.y + (py - this.height / 2) / this.scale];
  }

  setSwipe(share) {
    this.swipe = Math.min(1, Math.max(0, share));
    this.changed();
  }

  // How it is drawn.

  onChange(listener) {
    this.listeners.push(listener);
  }

  changed() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
      for (const listener of this.listeners) listener();
    });
  }

  draw() {
    const { context, canvas } = this;
    const border = Math.round(this.swipe * canvas.width);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#e9edf1";
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.paint(this.left, 0, border);
    this.paint(this.right, border, canvas.width);
    if (this.overlay) this.overlay(context, this);
    if (this.cursor) this.cross();
  }

  paint(layer, from, to) {
    if (to <= from) return;
    const { context, canvas, tiles } = this;
    const coarsest = facts.levels - 1;
    const level = Math.min(coarsest, Math.max(tiles.base(layer), Math.floor(-Math.log2(this.scale * this.ratio) + 0.01)));
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, canvas.height);
    context.clip();
    for (const k of level === coarsest ? [level] : [coarsest, level]) this.paintLevel(layer, k, from, to);
    context.restore();
  }

  paintLevel(layer, level, from, to) {
    const { context, canvas } = this;
    const dots = this.scale * this.ratio * 2 ** level; // along one pixel of the level
    const [left, top] = [canvas.width / 2 - (this.x / 2 ** level) * dots, canvas.height / 2 - (this.y / 2 ** level) * dots];
    const [height, width] = levelShape(level);
    const side = facts.tile * dots;
    const rows = [Math.max(0, Math.floor(-top / side)), Math.min(Math.ceil(height / facts.tile), Math.ceil((canvas.height - top) / side))];
    const columns = [Math.max(0, Math.floor((from - left) / side)), Math.min(Math.ceil(width / facts.tile), Math.ceil((to - left) / side))];
    context.imageSmoothingEnabled = dots < 1;
    context.imageSmoothingQuality = "high";
    for (let row = rows[0]; row < rows[1]; row++) {
      for (let column = columns[0]; column < columns[1]; column++) {
        const picture = this.tiles.picture(layer, level, row, column, () => this.changed());
        if (!picture) continue;
        const [y0, x0] = [Math.round(top + row * side), Math.round(left + column * side)];
        const [h, w] = tileShape(level, row, column);
        const [y1, x1] = [Math.round(top + row * side + h * dots), Math.round(left + column * side + w * dots)];
        context.drawImage(picture, x0, y0, x1 - x0, y1 - y0);
      }
    }
  }

  cross() {
    const { context, ratio } = this;
    const [x, y] = [
      ((this.cursor[0] - this.x) * this.scale + this.width / 2) * ratio,
      ((this.cursor[1] - this.y) * this.scale + this.height / 2) * ratio,
    ];
    for (const [color, width] of [["#fff", 4], ["#111", 1.6]]) {
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 4 * dx * ratio, y + 4 * dy * ratio);
        context.lineTo(x + 13 * dx * ratio, y + 13 * dy * ratio);
      }
      context.strokeStyle = color;
      context.lineWidth = width * ratio;
      context.stroke();
    }
  }

  // How mouse, fingers and keys move it.

  listen() {
    const { box } = this;
    box.addEventListener("pointerdown", (event) => this.press(event));
    box.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, (event) => this.release(event));
    box.addEventListener("pointerleave", () => this.hover && this.hover(null));
    box.addEventListener("dblclick", (event) => event.target.closest("button, .x-swipe") || this.zoom(2, ...this.dot(event)));
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  dot(event) {
    const frame = this.box.getBoundingClientRect();
    return [event.clientX - frame.left - this.box.clientLeft, event.clientY - frame.top - this.box.clientTop];
  }

  press(event) {
    if (event.target.closest("button, .x-swipe")) return;
    this.box.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.dot(event));
    this.travelled = this.pointers.size > 1 ? Infinity : 0;
  }

  drag(event) {
    const [px, py] = this.dot(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch" && this.hover) this.hover(event.target.closest("button") ? null : this.place(px, py));
      return;
    }
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, dot]) => dot);
    this.pointers.set(event.pointerId, [px, py]);
    if (others.length) {
      const far = (dot) => Math.max(8, Math.hypot(dot[0] - others[0][0], dot[1] - others[0][1]));
      this.move((before[0] - px) / 2, (before[1] - py) / 2);
      this.zoom(far([px, py]) / far(before), (px + others[0][0]) / 2, (py + others[0][1]) / 2);
    } else {
      this.travelled += Math.hypot(px - before[0], py - before[1]);
      if (this.travelled > 3) this.move(before[0] - px, before[1] - py);
    }
  }

  release(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && this.travelled <= 3) this.point(this.place(...this.dot(event)));
  }

  /** Fix the cursor at a place of the scene. */
  point(place) {
    this.cursor = place;
    if (this.pointed) this.pointed(place);
    this.changed();
  }

  wheel(event) {
    const focused = this.box.contains(document.activeElement);
    if (!focused && !event.ctrlKey && !event.metaKey) return; // the page scrolls on
    event.preventDefault();
    const dots = event.deltaY * [1, 16, 400][event.deltaMode];
    this.zoom(Math.exp(-Math.max(-240, Math.min(240, dots)) * (event.ctrlKey ? 0.008 : 0.0022)), ...this.dot(event));
  }

  key(event) {
    if (event.target !== this.box || event.altKey || event.ctrlKey || event.metaKey) return;
    const step = event.shiftKey ? this.scale : Math.min(this.width, this.height) / 8;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) this.move(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-" || event.key === "_") this.zoom(1 / 1.5);
    else if (event.key === "0" || event.key === "Home") this.whole();
    else if (event.key === "[" || event.key === "]") this.setSwipe(this.swipe + (event.key === "]" ? 0.05 : -0.05));
    else return;
    event.preventDefault();
    if (event.key !== "[" && event.key !== "]") this.point([this.x, this.y]);
  }
}
