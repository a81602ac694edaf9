/* Moves the static widgets of a page. The place of a frame is a number in mixed radix, the digits
   being the positions of the controls, the last one moving fastest. */
(() => {
  "use strict";
  if (window.mlteachFrames) return;
  const asked = new Map(); // name of a chunk -> promise of its content, and who fulfils it

  async function unpack(base64) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  window.mlteachFrames = (name, base64) => asked.get(name)?.resolve(unpack(base64));

  /* A script, because a page that was opened from a disk may load no data. */
  function chunk(folder, name) {
    if (!asked.has(name)) {
      const entry = {};
      entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
      asked.set(name, entry);
      const script = document.createElement("script");
      script.src = `${folder}${name}.js`;
      script.onerror = () => entry.reject(new Error(`${script.src} is missing`));
      document.head.append(script);
    }
    return asked.get(name).promise;
  }

  function setUp(root) {
    const { prefix, key, folder } = root.dataset;
    const size = Number(root.dataset.chunkSize);
    const controls = [...root.querySelectorAll("input[type=range], select")];
    const svg = root.querySelector(".mlteach-widget-figure svg");
    const numbers = [...root.querySelectorAll(".mlteach-widget-readouts dd")];
    const lengths = controls.map((c) => (c.options ? c.options.length : Number(c.max) + 1));
    const positions = () => controls.map((control) => Number(control.value));
    const place = () => positions().reduce((sum, at, k) => sum * lengths[k] + at, 0);
    const all = lengths.reduce((product, length) => product * length, 1);
    const start = { positions: positions(), place: place() };
    let wanted = start.place;

    const frameOf = async (at) => {
      const content = await chunk(folder, `${key}-${Math.floor(at / size)}`);
      return { lines: content.lines, frame: content.frames[at % size] };
    };

    const content = () => ({
      figure: svg.innerHTML,
      texts: numbers.map((n) => n.textContent),
      label: svg.getAttribute("aria-label"),
    });
    function put({ figure, texts, label }) {
      svg.innerHTML = figure;
      svg.setAttribute("aria-label", label);
      numbers.forEach((node, k) => {
        if (node.textContent !== texts[k]) node.textContent = texts[k];
      });
    }
    const first = content();

    async function show() {
      const at = (wanted = place());
      for (const control of controls) say(control);
      const { lines, frame } = await frameOf(at);
      if (at !== wanted) return; // the reader has moved on
      const [picked, texts, label] = frame;
      const figure = picked.map((k) => lines[k]).join("\n").replaceAll("@@", `${prefix}-`);
      put({ figure, texts, label });
      root.dataset.place = at;
    }

    function say(control) {
      if (!control.dataset.texts) return;
      const text = JSON.parse(control.dataset.texts)[control.value];
      control.setAttribute("aria-valuetext", text);
      control.nextElementSibling.textContent = text;
    }

    function moveTo(target) {
      controls.forEach((control, k) => (control.value = target[k]));
      return show();
    }
    const actions = {
      reset: () => moveTo(start.positions),
      surprise: () => moveTo(lengths.map((length) => Math.floor(Math.random() * length))),
    };

    controls.forEach((control) => control.addEventListener("input", show));
    root.querySelectorAll("button").forEach((button) => {
      button.addEventListener("click", actions[button.dataset.do]);
    });
    root.querySelectorAll("[disabled]").forEach((node) => (node.disabled = false));
    root.dataset.place = start.place;

    /* Near the window: the chunk around the start. Touched: all of them, one after the other. */
    new IntersectionObserver(
      (entries, watcher) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        watcher.disconnect();
        frameOf(start.place);
      },
      { rootMargin: "200px" },
    ).observe(root);
    const fetchAll = async () => {
      for (let at = 0; at < all; at += size) await frameOf(at);
    };
    root.addEventListener("pointerenter", fetchAll, { once: true });
    root.addEventListener("focusin", fetchAll, { once: true });

    /* On paper: as it stood at first, with the values beside the controls. */
    let before = null;
    window.addEventListener("beforeprint", () => {
      before = { positions: positions(), content: content() };
      controls.forEach((control, k) => (control.value = start.positions[k]));
      controls.forEach(say);
      put(first);
    });
    window.addEventListener("afterprint", () => {
      controls.forEach((control, k) => (control.value = before.positions[k]));
      controls.forEach(say);
      put(before.content);
    });
  }

  const begin = () => document.querySelectorAll(".mlteach-twin").forEach(setUp);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
