// What the page holds, unpacked tile by tile when it is first needed and forgotten when it has not been for long.

const facts = JSON.parse(document.getElementById("explore-facts").textContent);
const classOf = new Map(facts.classes.map((c) => [c.code, c]));

/** Keeps the values asked for last; the oldest go first, and are closed where they can be. */
class Recent {
  constructor(limit) {
    this.limit = limit;
    this.values = new Map();
  }

  get(key, make) {
    let value = this.values.get(key);
    this.values.delete(key);
    if (value === undefined) value = make();
    this.values.set(key, value);
    if (this.values.size > this.limit) this.drop(this.values.keys().next().value);
    return value;
  }

  drop(key) {
    const old = this.values.get(key);
    this.values.delete(key);
    Promise.resolve(old).then((value) => value && value.close && value.close(), () => {});
  }
}

function bytesOf(id) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function unpacked(id) {
  const stream = new Blob([bytesOf(id)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

function colorNumber(hex) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return (255 << 24) | (b << 16) | (g << 8) | r; // as the four bytes lie in memory: red first
}

const WHITE = colorNumber("#ffffff");

const palettes = (() => {
  const classes = new Int32Array(256).fill(WHITE);
  for (const c of facts.classes) classes[c.code] = colorNumber(c.color);
  const ramp = new Int32Array(256).fill(WHITE);
  const { low, colors } = facts.ramp;
  for (let i = 0; i <= 100; i++) ramp[i] = colorNumber(colors[Math.max(0, i - low)]);
  return { map: classes, reference: classes, confidence: ramp };
})();

/** Height and width of a level of the pyramid. */
function levelShape(level) {
  return facts.shape.map((side) => Math.ceil(side / 2 ** level));
}

/** Height and width of a tile: those at the right and lower edge are smaller. */
function tileShape(level, row, column) {
  const [height, width] = levelShape(level);
  return [Math.min(facts.tile, height - row * facts.tile), Math.min(facts.tile, width - column * facts.tile)];
}

class Tiles {
  constructor() {
    this.byteCache = new Recent(64);
    this.labelCache = new Recent(24);
    this.bitmapCache = new Recent(72);
    this.ready = new WeakMap();
  }

  base(layer) {
    return layer === "scene" ? facts.base.scene : facts.base.codes;
  }

  codes(layer, level, row, column) {
    const id = `tile-${layer}-${level}-${row}-${column}`;
    return this.byteCache.get(id, async () => new Uint8Array(await unpacked(id)));
  }

  /** The numbers of the units in a tile of the finest level. */
  labels(row, column) {
    const level = facts.base.codes;
    const id = `tile-label-${level}-${row}-${column}`;
    return this.labelCache.get(id, async () => {
      const bytes = await unpacked(id);
      const count = new Uint32Array(bytes, 0, 1)[0];
      const numbers = new Uint32Array(bytes, 4, count);
      const places = new (count > 65536 ? Uint32Array : Uint16Array)(bytes, 4 + 4 * count);
      return { numbers, places };
    });
  }

  /** A picture of a tile, or undefined until it is there; `changed` is called then. */
  picture(layer, level, row, column, changed) {
    const promise = this.bitmap(layer, level, row, column);
    if (!this.ready.has(promise)) {
      this.ready.set(promise, null);
      promise.then((bitmap) => {
        this.ready.set(promise, bitmap);
        changed();
      });
    }
    return this.ready.get(promise) || undefined;
  }

  bitmap(layer, level, row, column) {
    const key = `${layer}-${level}-${row}-${column}`;
    return this.bitmapCache.get(key, () =>
      layer === "scene"
        ? createImageBitmap(new Blob([bytesOf(`tile-scene-${level}-${row}-${column}`)], { type: "image/jpeg" }))
        : this.painted(layer, level, row, column)
    );
  }

  async painted(layer, level, row, column) {
    const [height, width] = tileShape(level, row, column);
    const image = new ImageData(width, height);
    const dots = new Int32Array(image.data.buffer);
    if (layer === "agreement") {
      await this.paintAgreement(dots, level, row, column);
    } else {
      const codes = await this.codes(layer, level, row, column);
      const colors = palettes[layer];
      for (let i = 0; i < dots.length; i++) dots[i] = colors[codes[i]];
    }
    return createImageBitmap(image);
  }

  async paintAgreement(dots, level, row, column) {
    const [map, reference, split] = await Promise.all(
      ["map", "reference", "split"].map((layer) => this.codes(layer, level, row, column))
    );
    const [right, wrong, training] = ["right", "wrong", "training"].map((key) => colorNumber(facts.agreement[key]));
    for (let i = 0; i < dots.length; i++) {
      const judged = split[i] === 2 && map[i] && reference[i];
      dots[i] = judged ? (map[i] === reference[i] ? right : wrong) : split[i] === 1 ? training : WHITE;
    }
  }

  /** What the page knows of one pixel of the scene. */
  async at(row, column) {
    const base = facts.base.codes;
    const [y, x] = [row >> base, column >> base];
    const [tileRow, tileColumn] = [Math.floor(y / facts.tile), Math.floor(x / facts.tile)];
    const place = (y % facts.tile) * tileShape(base, tileRow, tileColumn)[1] + (x % facts.tile);
    const names = ["map", "reference", "confidence", "split"];
    const codes = await Promise.all(names.map((name) => this.codes(name, base, tileRow, tileColumn)));
    const found = Object.fromEntries(names.map((name, i) => [name, codes[i][place]]));
    if (facts.labels) {
      const { numbers, places } = await this.labels(tileRow, tileColumn);
      found.number = numbers[places[place]];
    }
    return found;
  }

  /** Call `visit(top, left, bottom, right, tileRow, tileColumn)` for each tile of the finest codes that meets a box. */
  async over(box, visit) {
    const base = facts.base.codes;
    const [height, width] = levelShape(base);
    const [top, left] = [Math.max(0, box[0] >> base), Math.max(0, box[1] >> base)];
    const [bottom, right] = [Math.min(height, ((box[2] - 1) >> base) + 1), Math.min(width, ((box[3] - 1) >> base) + 1)];
    const size = facts.tile;
    for (let row = Math.floor(top / size); row * size < bottom; row++) {
      for (let column = Math.floor(left / size); column * size < right; column++) {
        await visit(
          Math.max(top, row * size), Math.max(left, column * size),
          Math.min(bottom, (row + 1) * size), Math.min(right, (column + 1) * size), row, column
        );
      }
    }
  }
}
