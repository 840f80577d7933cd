// What stands behind a number of the matrix: its units marked on the map, and their patches.

const INK = "#111111";
const MARK = "#e6007e";
const POOL = 2 ** Math.max(0, Math.round(Math.log2(Math.max(...facts.shape) / 900))); // pixels along a dot of the overview
const POINT = 3.6; // radius of a point on the screen
const SEEN = 26; // dots of the screen from which on a unit is outlined; a smaller one is a point
const NEAR = 5; // dots of the screen along a pixel from which on marked pixels are sheer
const SHEER = 0.55;
const PAGE = 27; // patches shown at once

/** The assessed units as columns, unpacked when they are first asked for. */
const unitTable = (() => {
  let table;
  const types = { mapped: Uint8Array, reference: Uint8Array, percent: Uint8Array };
  const names = ["number", "mapped", "reference", "percent", "top", "left", "bottom", "right", "row", "column"];
  return () => {
    table = table || Promise.all(names.map((name) => unpacked(`unit-${name}`))).then((columns) =>
      Object.fromEntries(names.map((name, i) => [name, new (types[name] || Int32Array)(columns[i])]))
    );
    return table;
  };
})();

/** Units of one kind of agreement or error: an outline each, or a dot where they are too small to see. */
class UnitMarks {
  constructor(tiles, table, rows) {
    Object.assign(this, { tiles, table, rows, count: rows.length, outlines: new Map(), drawn: new Map() });
  }

  static async of(tiles, mapped, reference) {
    const table = await unitTable();
    const rows = [];
    for (let i = 0; i < table.mapped.length; i++) {
      if (table.mapped[i] === mapped && table.reference[i] === reference) rows.push(i);
    }
    return new UnitMarks(tiles, table, rows);
  }

  box(i) {
    return ["top", "left", "bottom", "right"].map((side) => this.table[side][i]);
  }

  places(order) {
    const { percent, row, column, number } = this.table;
    const sure = (i) => (percent[i] === 255 ? -1 : percent[i]);
    const rows = [...this.rows].sort((a, b) => (sure(b) - sure(a)) * order || a - b);
    return rows.map((i) => ({
      row: row[i],
      column: column[i],
      box: this.box(i),
      caption: percent[i] === 255 ? "" : `${percent[i]} %`,
      spoken: `${facts.unit} ${number[i]}` + (percent[i] === 255 ? "" : `, confidence ${percent[i]} per cent`),
      outline: () => this.outline(i),
      around: 4,
    }));
  }

  /** The outline of a unit in pixels of the scene; it stays in `drawn` once it is there. */
  outline(i) {
    if (!this.outlines.has(i)) {
      if (this.outlines.size > 4000) this.outlines.clear(), this.drawn.clear();
      const path = facts.labels ? this.border(i) : this.frame(i);
      this.outlines.set(i, path);
      path.then((lines) => this.drawn.set(i, lines));
    }
    return this.outlines.get(i);
  }

  async frame(i) {
    const [top, left, bottom, right] = this.box(i);
    const path = new Path2D();
    path.rect(left, top, right - left, bottom - top);
    return path;
  }

  /** The border of a unit as lines between pixels. */
  async border(i) {
    const base = facts.base.codes;
    const pixel = 2 ** base;
    const box = this.box(i);
    const [top, left] = [box[0] >> base, box[1] >> base];
    const [height, width] = [((box[2] - 1) >> base) + 1 - top, ((box[3] - 1) >> base) + 1 - left];
    const inside = new Uint8Array((height + 2) * (width + 2));
    await this.tiles.over(box, async (y0, x0, y1, x1, tileRow, tileColumn) => {
      const { numbers, places } = await this.tiles.labels(tileRow, tileColumn);
      const across = tileShape(base, tileRow, tileColumn)[1];
      const wanted = numbers.indexOf(this.table.number[i]);
      for (let y = y0; y < y1; y++) {
        for (let x = x0; x < x1; x++) {
          const place = (y - tileRow * facts.tile) * across + x - tileColumn * facts.tile;
          if (places[place] === wanted) inside[(y - top + 1) * (width + 2) + x - left + 1] = 1;
        }
      }
    });
    const path = new Path2D();
    for (let y = 1; y < height + 2; y++) {
      for (let x = 1; x < width + 2; x++) {
        const here = y * (width + 2) + x;
        const [px, py] = [(x - 1 + left) * pixel, (y - 1 + top) * pixel];
        if (inside[here] !== inside[here - width - 2]) path.moveTo(px, py), path.lineTo(px + pixel, py);
        if (inside[here] !== inside[here - 1]) path.moveTo(px, py), path.lineTo(px, py + pixel);
      }
    }
    return path;
  }

  draw(context, view) {
    const dots = view.scale * view.ratio;
    const [left, top] = [context.canvas.width / 2 - view.x * dots, context.canvas.height / 2 - view.y * dots];
    const outlines = new Path2D();
    const points = new Path2D();
    let small = 0;
    for (const i of this.rows) {
      const [y0, x0, y1, x1] = this.box(i);
      if (x1 * dots + left < 0 || y1 * dots + top < 0) continue;
      if (x0 * dots + left > context.canvas.width || y0 * dots + top > context.canvas.height) continue;
      if (Math.max(y1 - y0, x1 - x0) * view.scale < SEEN) {
        const [x, y] = [((x0 + x1) / 2) * dots + left, ((y0 + y1) / 2) * dots + top];
        points.moveTo(x + POINT * view.ratio, y);
        points.arc(x, y, POINT * view.ratio, 0, 7);
        small++;
      } else {
        const path = this.drawn.get(i);
        if (path) outlines.addPath(path, new DOMMatrix([dots, 0, 0, dots, left, top]));
        else this.outline(i).then(() => view.changed());
      }
    }
    if (small) veil(context);
    strokeTwice(context, outlines, view.ratio);
    context.strokeStyle = "#ffffff";
    context.lineWidth = 2.5 * view.ratio;
    context.stroke(points);
    context.fillStyle = MARK;
    context.fill(points);
  }
}

/** Single pixels of one kind of agreement or error: painted tile by tile, in an overview where the map is small. */
class PixelMarks {
  constructor(tiles, mapped, reference) {
    Object.assign(this, { tiles, mapped, reference, count: 0, pictures: new Recent(24), ready: new Map() });
  }

  static async of(tiles, mapped, reference) {
    const marks = new PixelMarks(tiles, mapped, reference);
    await marks.find();
    return marks;
  }

  async mask(row, column) {
    const [map, reference, split] = await Promise.all(
      ["map", "reference", "split"].map((layer) => this.tiles.codes(layer, 0, row, column))
    );
    const mask = new Uint8Array(map.length);
    for (let i = 0; i < map.length; i++) {
      mask[i] = split[i] === 2 && map[i] === this.mapped && reference[i] === this.reference ? 1 : 0;
    }
    return mask;
  }

  /** Count the pixels, pool them for the overview, and find the windows with most of them. */
  async find() {
    const [height, width] = facts.shape;
    const [across, side] = [Math.ceil(width / POOL), facts.window];
    const pooled = new ImageData(across, Math.ceil(height / POOL));
    const dots = new Int32Array(pooled.data.buffer);
    const windowsAcross = Math.ceil(width / side);
    const windows = new Uint32Array(windowsAcross * Math.ceil(height / side));
    await this.tiles.over([0, 0, height, width], async (top, left, bottom, right, row, column) => {
      const mask = await this.mask(row, column);
      let i = 0;
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++, i++) {
          if (!mask[i]) continue;
          this.count++;
          dots[Math.floor(y / POOL) * across + Math.floor(x / POOL)] = colorNumber(MARK);
          windows[Math.floor(y / side) * windowsAcross + Math.floor(x / side)]++;
        }
      }
    });
    this.overview = await createImageBitmap(pooled);
    this.windows = { counts: windows, across: windowsAcross };
  }

  places(order) {
    const { counts, across } = this.windows;
    const side = facts.window;
    const found = [...counts.keys()].filter((i) => counts[i]);
    found.sort((a, b) => (counts[b] - counts[a]) * order || a - b);
    return found.map((i) => {
      const [top, left] = [Math.floor(i / across) * side, (i % across) * side];
      return {
        row: top + (side >> 1),
        column: left + (side >> 1),
        box: [top, left, Math.min(facts.shape[0], top + side), Math.min(facts.shape[1], left + side)],
        caption: grouped(counts[i]),
        spoken: `place with ${counts[i]} of these pixels`,
        mask: (row, column) => this.pictures.get(`${row}-${column}`, () => this.paint(row, column)),
        around: 1.5,
      };
    });
  }

  draw(context, view) {
    const dots = view.scale * view.ratio;
    const [left, top] = [context.canvas.width / 2 - view.x * dots, context.canvas.height / 2 - view.y * dots];
    context.imageSmoothingEnabled = false;
    this.pictures.limit = view.tileLimit;
    if (view.scale < NEAR) veil(context);
    if (dots < 0.5) {
      context.drawImage(this.overview, left, top, this.overview.width * POOL * dots, this.overview.height * POOL * dots);
      return;
    }
    const side = facts.tile * dots;
    const [height, width] = facts.shape;
    context.globalAlpha = view.scale < NEAR ? 1 : SHEER;
    for (let row = Math.max(0, Math.floor(-top / side)); row * facts.tile < height && row * side + top < context.canvas.height; row++) {
      for (let column = Math.max(0, Math.floor(-left / side)); column * facts.tile < width && column * side + left < context.canvas.width; column++) {
        const picture = this.picture(row, column, view);
        if (picture) {
          const [x, y] = [Math.round(left + column * side), Math.round(top + row * side)];
          context.drawImage(picture, x, y, picture.width * dots, picture.height * dots);
        }
      }
    }
    context.globalAlpha = 1;
  }

  picture(row, column, view) {
    const key = `${row}-${column}`;
    const promise = this.pictures.get(key, () => this.paint(row, column));
    if (this.ready.get(key)?.promise !== promise) {
      this.ready.set(key, { promise, bitmap: null });
      promise.then((bitmap) => {
        this.ready.set(key, { promise, bitmap });
        view.changed();
      });
    }
    return this.ready.get(key).bitmap;
  }

  async paint(row, column) {
    const [height, width] = tileShape(0, row, column);
    const image = new ImageData(width, height);
    const dots = new Int32Array(image.data.buffer);
    const mask = await this.mask(row, column);
    for (let i = 0; i < dots.length; i++) if (mask[i]) dots[i] = colorNumber(MARK);
    return createImageBitmap(image);
  }
}

/** Make the map paler, so that marks stand out. */
function veil(context) {
  context.fillStyle = "rgb(255 255 255 / .5)";
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
}

function strokeTwice(context, path, ratio) {
  for (const [color, width] of [["#ffffff", 5], [INK, 2]]) {
    context.strokeStyle = color;
    context.lineWidth = width * ratio;
    context.lineJoin = "round";
    context.lineCap = "round";
    context.stroke(path);
  }
}

function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** Draw the scene around a place into a small canvas, with the outline of the unit or the marked pixels. */
async function drawPatch(canvas, tiles, place) {
  const context = canvas.getContext("2d");
  const dots = canvas.width / facts.window;
  const [top, left] = [place.row, place.column].map((middle) => middle - (facts.window >> 1));
  const frame = { top, left, side: facts.window, dots };
  const base = facts.base.scene;
  context.fillStyle = "#e9edf1";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  await drawTiles(context, frame, 2 ** base, (row, column) => tiles.bitmap("scene", base, row, column));
  context.globalAlpha = SHEER;
  if (place.mask) await drawTiles(context, frame, 1, place.mask);
  context.globalAlpha = 1;
  if (!place.outline) return;
  const outline = new Path2D();
  outline.addPath(await place.outline(), new DOMMatrix([dots, 0, 0, dots, -left * dots, -top * dots]));
  strokeTwice(context, outline, (window.devicePixelRatio || 1) * 0.7);
}

/** Draw the tiles that meet a square of the scene; `pixel` is the side of their pixels in pixels of the scene. */
async function drawTiles(context, { top, left, side, dots }, pixel, bitmapOf) {
  const size = facts.tile * pixel;
  for (let row = Math.max(0, Math.floor(top / size)); row * size < Math.min(top + side, facts.shape[0]); row++) {
    for (let column = Math.max(0, Math.floor(left / size)); column * size < Math.min(left + side, facts.shape[1]); column++) {
      const bitmap = await bitmapOf(row, column);
      const [x0, y0] = [column * size - left, row * size - top].map((at) => Math.round(at * dots));
      const x1 = Math.round((column * size - left + bitmap.width * pixel) * dots);
      const y1 = Math.round((row * size - top + bitmap.height * pixel) * dots);
      context.drawImage(bitmap, x0, y0, x1 - x0, y1 - y0);
    }
  }
}
