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
      script.onerror = () => {
        asked.delete(name); // to be asked for again
        script.remove();
        entry.reject(new Error(`${script.src} is missing`));
      };
      document.head.append(script);
    }
    return asked.get(name).promise;
  }

  function setUp(root) {
    const { prefix, key, folder } = root.dataset;
    const size = Number(root.dataset.chunkSize);
    const controls = [...root.querySelectorAll("input[type=range], select")];
    const svg = root.querySelector(".mlteach-widget-figure svg");
    const numbers = [...root.querySelectorAll(".mlteach-widget-readouts dd span")];
    const solved = root.querySelector(".mlteach-widget-solved span");
    const words = root.querySelector(".mlteach-widget-words span");
    const state = root.querySelector(".mlteach-widget-state");
    const found = new Set(); // places at which the question is answered
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
      words.textContent = label;
      numbers.forEach((node, k) => {
        if (node.textContent !== texts[k]) node.textContent = texts[k];
      });
    }
    const first = content();

    /* Says so if a figure is long in coming or does not come. */
    async function arrived(at) {
      const late = setTimeout(() => (state.textContent = "Loading \u2026"), 300);
      try {
        const content = await frameOf(at);
        state.textContent = "";
        return content;
      } catch {
        if (at === wanted) fail();
        return null;
      } finally {
        clearTimeout(late);
      }
    }
    function fail() {
      const again = document.createElement("button");
      Object.assign(again, { type: "button", textContent: "Try again", onclick: show });
      state.replaceChildren("\u2717 This figure did not arrive. ", again);
    }
    function note(at, isSolved) {
      const { ways, answer } = root.dataset;
      if (isSolved) found.add(at);
      const text = found.size < ways ? `${found.size} of ${ways} found.` : answer;
      if (found.size && answer) solved.textContent = `\u2713 ${text}`;
    }

    async function show() {
      const at = (wanted = place());
      for (const control of controls) say(control);
      const came = await arrived(at);
      if (!came || at !== wanted) return; // the reader has moved on
      const { lines, frame } = came;
      const [picked, texts, label, isSolved] = frame;
      note(at, isSolved);
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

    controls.forEach((control) => {
      control.addEventListener("input", show);
      /* A finger that begins on a slider and goes on to scroll has not meant the slider. */
      let before;
      control.addEventListener("pointerdown", () => (before = control.value));
      control.addEventListener("pointercancel", () => {
        control.value = before;
        show();
      });
    });
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
        arrived(start.place);
      },
      { rootMargin: "200px" },
    ).observe(root);
    const fetchAll = async () => {
      for (let at = 0; at < all; at += size) await frameOf(at).catch(() => {});
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
