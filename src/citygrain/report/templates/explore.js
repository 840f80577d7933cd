// The controls around the map, and the numbers of the matrix as buttons.

const LAYERS = {
  scene: "Scene",
  map: "Map",
  reference: "Reference",
  confidence: "Confidence",
  agreement: "Agreement",
};
const GROUND = ["not used", "training", "test"];

const find = (name) => document.getElementById(`explore${name ? `-${name}` : ""}`);

/** Make an element; texts are only ever texts. */
function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function swatch(color) {
  const element = make("span", "swatch");
  element.style.background = color;
  return element;
}

function plural(count, noun) {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** What stands under the map: class, confidence and reference at the cursor. */
class Readout {
  constructor(view, tiles) {
    Object.assign(this, { view, tiles, asked: 0 });
    view.hover = (place) => this.show(place || view.cursor, false);
    view.pointed = (place) => this.show(place, true);
    if (facts.grid) find("place-name").textContent = `Position, ${facts.grid.crs}`;
    this.show(null, false);
  }

  async show(place, aloud) {
    const asked = ++this.asked;
    const [column, row] = place ? place.map(Math.floor) : [-1, -1];
    const inside = row >= 0 && column >= 0 && row < facts.shape[0] && column < facts.shape[1];
    const found = inside ? await this.tiles.at(row, column) : null;
    if (asked !== this.asked) return; // the cursor is elsewhere by now
    this.set("class", found && classOf.get(found.map), found ? "no data" : "\u2013");
    this.set("reference", found && classOf.get(found.reference), found ? "none here" : "\u2013");
    const sure = found && found.confidence !== 255 ? `${found.confidence} %` : "\u2013";
    find("confidence").textContent = sure;
    find("ground").textContent = found ? GROUND[found.split] : "\u2013";
    find("place").textContent = inside ? spokenPlace(row, column) : "\u2013";
    if (find("unit")) find("unit").textContent = found && found.number ? grouped(found.number) : "\u2013";
    if (aloud && found) this.say(found, sure);
  }

  set(name, landClass, otherwise) {
    const parts = landClass ? [swatch(landClass.color), make("span", "", landClass.name)] : [make("span", "", otherwise)];
    find(name).replaceChildren(...parts);
  }

  say(found, sure) {
    const name = (code, otherwise) => (classOf.has(code) ? classOf.get(code).name : otherwise);
    const reference = name(found.reference, "none");
    const words = `Class ${name(found.map, "no data")}, confidence ${sure}, reference ${reference}`;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (find("said").textContent = words), 350);
  }
}

function spokenPlace(row, column) {
  if (!facts.grid) return `row ${grouped(row)}, column ${grouped(column)}`;
  const { origin, step, degrees } = facts.grid;
  const [x, y] = [origin[0] + (column + 0.5) * step[0], origin[1] + (row + 0.5) * step[1]];
  if (degrees) {
    const word = (value, [plus, minus]) => `${Math.abs(value).toFixed(5)}° ${value < 0 ? minus : plus}`;
    return `${word(y, "NS")}, ${word(x, "EW")}`;
  }
  const whole = (value) => (value < 0 ? "\u2212" : "") + grouped(Math.round(Math.abs(value)));
  return `E ${whole(x)}, N ${whole(y)}`;
}

/** Layers left and right, the swipe between them, zoom, the scale bar and the legend. */
class Controls {
  constructor(view) {
    this.view = view;
    for (const side of ["left", "right"]) this.choice(side);
    find("in").addEventListener("click", () => view.zoom(1.6));
    find("out").addEventListener("click", () => view.zoom(1 / 1.6));
    find("whole").addEventListener("click", () => view.whole());
    find("full").addEventListener("click", () => this.fullScreen());
    find("full").hidden = !document.fullscreenEnabled;
    this.swipe = find("swipe");
    this.swipe.addEventListener("keydown", (event) => this.swipeKey(event));
    this.swipe.addEventListener("pointerdown", (event) => this.swipe.setPointerCapture(event.pointerId));
    this.swipe.addEventListener("pointermove", (event) => {
      if (this.swipe.hasPointerCapture(event.pointerId)) view.setSwipe(view.dot(event)[0] / view.width);
    });
    view.onChange(() => this.follow());
    this.legend();
  }

  choice(side) {
    const select = find(side);
    for (const [layer, name] of Object.entries(LAYERS)) {
      const option = make("option", "", name);
      option.value = layer;
      option.selected = this.view[side] === layer;
      select.append(option);
    }
    select.addEventListener("change", () => {
      this.view[side] = select.value;
      this.legend();
      this.view.changed();
    });
  }

  swipeKey(event) {
    const steps = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.view.setSwipe(this.view.swipe + steps[event.key]);
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else find("").requestFullscreen().catch(() => {});
  }

  follow() {
    const { view } = this;
    const share = Math.round(100 * view.swipe);
    this.swipe.style.left = `${100 * view.swipe}%`;
    this.swipe.setAttribute("aria-valuenow", share);
    this.swipe.setAttribute("aria-valuetext", `${LAYERS[view.left]} ${share} per cent, ${LAYERS[view.right]} ${100 - share} per cent`);
    for (const side of ["left", "right"]) find(`tag-${side}`).textContent = LAYERS[view[side]];
    find("tag-left").hidden = view.swipe * view.width < 96;
    find("tag-right").hidden = (1 - view.swipe) * view.width < 96;
    find("map").dataset.scale = view.scale;
    this.scaleBar();
  }

  scaleBar() {
    const metres = facts.grid && facts.grid.metres;
    find("scale").hidden = !metres;
    if (!metres) return;
    const most = (110 / this.view.scale) * metres;
    const power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((step) => step * power).find((step) => step <= most);
    find("scale").style.width = `${(length / metres) * this.view.scale}px`;
    find("scale").textContent = length >= 1000 ? `${length / 1000} km` : `${length} m`;
  }

  legend() {
    const layers = new Set([this.view.left, this.view.right]);
    const items = [];
    const item = (color, name, word) => {
      const entry = make("li");
      entry.append(swatch(color), make("span", "", name));
      if (word) entry.append(make("span", "word", word));
      items.push(entry);
    };
    if (layers.has("map") || layers.has("reference")) for (const c of facts.classes) item(c.color, c.name, c.word);
    if (layers.has("agreement")) {
      item(facts.agreement.right, "test: agrees with the reference", "pale blue");
      item(facts.agreement.wrong, "test: disagrees", "orange");
      item(facts.agreement.training, "training", "pale grey");
    }
    if (layers.has("confidence")) items.push(this.ramp());
    find("legend").replaceChildren(...items);
  }

  ramp() {
    const { low, colors } = facts.ramp;
    const entry = make("li", "x-ramp");
    const bar = make("span", "bar");
    bar.style.background = `linear-gradient(to right, ${colors.filter((_, i) => i % 5 === 0).join(", ")})`;
    entry.append(make("span", "", `confidence ${low} %`), bar, make("span", "", "100 %"), make("span", "word", "dark blue to yellow"));
    return entry;
  }
}

/** A click on a number of the matrix: what it counts, on the map and as patches. */
class Drill {
  constructor(view, tiles) {
    Object.assign(this, { view, tiles, asked: 0 });
    for (const [key, kind] of Object.entries(facts.drills)) this.arm(key, kind);
    find("clear").addEventListener("click", () => this.clear());
    find("back").addEventListener("click", () => this.back());
    find("more").addEventListener("click", () => this.list(this.shown + PAGE));
    find("order").addEventListener("change", () => this.list(PAGE));
  }

  /** Turn the counts of a matrix into buttons. */
  arm(key, kind) {
    const rows = document.querySelectorAll(`#confusion-${key} tbody tr`);
    facts.classes.forEach((mapped, i) => {
      facts.classes.forEach((reference, j) => {
        const cell = rows[i].querySelectorAll("td")[j];
        if (!Number(cell.textContent)) return;
        const button = make("button", "x-cell", cell.textContent);
        button.type = "button";
        button.setAttribute("aria-pressed", "false");
        button.setAttribute(
          "aria-label",
          `${plural(Number(cell.textContent), key)}: ${mapped.name} on the map, ${reference.name} in the reference. Show them.`
        );
        button.title = "Show on the map";
        button.addEventListener("click", () => this.show(button, { key, kind, mapped, reference }));
        cell.replaceChildren(button);
      });
    });
  }

  async show(button, { key, kind, mapped, reference }) {
    const asked = ++this.asked;
    this.press(button);
    find("drill").hidden = find("head").hidden = false;
    find("drill-title").textContent = "Looking for them \u2026";
    find("patches").replaceChildren();
    find("").scrollIntoView({ block: "start" });
    const marks = await (kind === "units" ? UnitMarks : PixelMarks).of(this.tiles, mapped.code, reference.code);
    if (asked !== this.asked) return;
    this.marks = marks;
    this.view.overlay = (context, view) => marks.draw(context, view);
    find("drill").dataset.count = marks.count;
    this.title(plural(marks.count, key), mapped, reference);
    find("order-label").hidden = kind !== "units";
    find("order-pixels").hidden = kind === "units";
    find("order").value = "1";
    find("said").textContent = `${plural(marks.count, key)} marked on the map.`;
    this.list(PAGE);
    this.view.whole();
  }

  title(count, mapped, reference) {
    const part = (word, c, end) => {
      const together = make("span", "x-part", `${word} `);
      together.append(swatch(c.color), make("strong", "", c.name), end);
      return together;
    };
    find("drill-title").replaceChildren(
      make("strong", "", count), " of the test: ", part("map", mapped, ","), " ", part("reference", reference, "")
    );
  }

  list(number) {
    this.shown = number;
    const places = this.marks.places(Number(find("order").value));
    find("patches").replaceChildren(...places.slice(0, number).map((place) => this.patch(place)));
    find("more").hidden = places.length <= number;
    find("more").textContent = `Show more (${grouped(Math.max(0, places.length - number))} left)`;
  }

  patch(place) {
    const item = make("li");
    const button = make("button", "x-patch");
    button.type = "button";
    button.setAttribute("aria-label", `${place.spoken}: show on the map`);
    const canvas = make("canvas");
    canvas.width = canvas.height = Math.round(88 * Math.min(2, window.devicePixelRatio || 1));
    button.append(canvas, make("span", "", place.caption));
    button.addEventListener("click", () => {
      this.view.show(place.box, place.around);
      find("map").focus({ preventScroll: true });
      find("").scrollIntoView({ block: "start" });
    });
    drawPatch(canvas, this.tiles, place);
    item.append(button);
    return item;
  }

  press(button) {
    if (this.button) this.button.setAttribute("aria-pressed", "false");
    this.button = button;
    if (button) button.setAttribute("aria-pressed", "true");
  }

  clear() {
    this.asked++;
    this.view.overlay = null;
    this.marks = null;
    find("drill").hidden = find("head").hidden = true;
    delete find("drill").dataset.count;
    this.press(null);
    this.view.changed();
    find("map").focus({ preventScroll: true });
  }

  async back() {
    if (document.fullscreenElement) await document.exitFullscreen();
    const details = this.button.closest("details");
    if (details) details.open = true;
    this.button.focus();
    this.button.scrollIntoView({ block: "center" });
  }
}

function start() {
  if (!("DecompressionStream" in window && "createImageBitmap" in window && "ResizeObserver" in window)) return;
  find("").hidden = false; // from here on the still picture is for print
  document.documentElement.classList.add("explorable");
  const tiles = new Tiles();
  const view = new View(find("map"), tiles);
  new Controls(view);
  new Readout(view, tiles);
  new Drill(view, tiles);
}

start();
