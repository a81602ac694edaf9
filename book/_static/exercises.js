/* Exercises and guesses that answer on the page. What is right is not written anywhere: see the module
   mlteach.exercises.sealed for the boxes that are opened here, and mlteach.exercises.check for the
   same judgement in Python. Progress stays in this browser unless the reader saves it as a file. */
(() => {
  "use strict";

  /* ---- SHA-256, because pages from a disk or plain http have no crypto.subtle ---------------- */
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const fraction = (x) => ((x % 1) * 2 ** 32) | 0;
  const ROUNDS = primes.map((p) => fraction(Math.cbrt(p)));
  const START = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
  const turned = (x, n) => (x >>> n) | (x << (32 - n));

  function sha256(bytes) {
    const length = (bytes.length + 72) & ~63;
    const padded = new Uint8Array(length);
    padded.set(bytes);
    padded[bytes.length] = 0x80;
    const view = new DataView(padded.buffer);
    view.setUint32(length - 4, bytes.length * 8);
    const state = Int32Array.from(START);
    const w = new Int32Array(64);
    for (let at = 0; at < length; at += 64) {
      for (let t = 0; t < 16; t++) w[t] = view.getInt32(at + 4 * t);
      for (let t = 16; t < 64; t++) {
        const [a, b] = [w[t - 15], w[t - 2]];
        const s0 = turned(a, 7) ^ turned(a, 18) ^ (a >>> 3);
        const s1 = turned(b, 17) ^ turned(b, 19) ^ (b >>> 10);
        w[t] = w[t - 16] + s0 + w[t - 7] + s1;
      }
      let [a, b, c, d, e, f, g, h] = state;
      for (let t = 0; t < 64; t++) {
        const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
        const one = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[t] + w[t]) | 0;
        const s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
        const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
      }
      [a, b, c, d, e, f, g, h].forEach((x, k) => (state[k] += x));
    }
    const digest = new DataView(new ArrayBuffer(32));
    state.forEach((x, k) => digest.setInt32(4 * k, x));
    return new Uint8Array(digest.buffer);
  }

  /* ---- boxes and locks ----------------------------------------------------------------------- */
  const encode = (text) => new TextEncoder().encode(text);
  const decode = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const hex = (bytes) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  const join = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));

  function unlocked(key, base64) {
    const bytes = decode(base64);
    for (let at = 0; at < bytes.length; at += 32) {
      const stream = sha256(join(key, encode(`|${at / 32}`)));
      for (let k = at; k < Math.min(at + 32, bytes.length); k++) bytes[k] ^= stream[k - at];
    }
    return new TextDecoder().decode(bytes);
  }

  /* The share of a target's key for one value, or null if the target does not accept it. */
  function share(data, target, place, value) {
    const [exponent, boxes] = data.targets[target].parts[place];
    const cell = exponent === null ? value : Math.floor(value * 2 ** -exponent);
    const digest = sha256(encode(`${data.salt}|${target}|${place}|${cell}`));
    const box = boxes[hex(digest.subarray(0, 4))];
    if (!box) return null;
    const content = decode(box).map((byte, k) => byte ^ digest[k + 4]);
    const view = new DataView(content.buffer);
    const inside = view.getFloat64(0) <= value && value <= view.getFloat64(8);
    return exponent === null || inside ? content.subarray(16) : null;
  }

  function said(data, target, values) {
    const shares = values.map((value, place) => share(data, target, place, value));
    return shares.includes(null) ? null : unlocked(join(...shares), data.targets[target].says);
  }

  const stage = (data, k) => unlocked(encode(`${data.salt}|${k}`), data.stages[k]);

  /* ---- the judgement, word by word that of mt.check ------------------------------------------ */
  const NUMBER =
    /^([+-]?) ?([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+[.,]?[0-9]*|[.,][0-9]+)(e[+-]?[0-9]+)?( ?%)?$/;

  /* A number, or the sentence that says why there is none. */
  function numberIn(text, isShare) {
    const parts = NUMBER.exec(text.replace(/[\u2212\u2013]/g, "-").toLowerCase());
    if (!parts) return `A number is asked for, as in 0.32 or 1e-3: “${text}” is none.`;
    const [, sign, digits, exponent = "", percent] = parts;
    if (/^[1-9][0-9]{0,2},[0-9]{3}$/.test(digits)) {
      const plainly = `${digits.replace(",", "")} or ${digits.replace(",", ".")}`;
      return `Is the comma in “${text}” a decimal point? Write ${plainly}.`;
    }
    if (percent && !isShare) {
      return "What is asked for is no share: give the number itself, without %.";
    }
    const grouped = digits.split(",").length > 2 || (digits.includes(",") && digits.includes("."));
    const number = Number(sign + digits.replaceAll(",", grouped ? "" : ".") + exponent);
    return percent ? number / 100 : number;
  }

  function complaint(data, texts, values) {
    for (const [k, value] of values.entries()) {
      const isWord = typeof value === "string" && data.kinds[k] !== "text";
      const wrong = texts[k] ? isWord && value : "Not given yet.";
      if (wrong) return values.length > 1 ? `${data.parts[k]}: ${wrong}` : wrong;
    }
    const unknown = data.choices.length && !values.every((value) => data.choices.includes(value));
    return unknown ? `Choose from: ${data.choices.join(", ")}.` : "";
  }

  function partly(data, values) {
    if (values.length < 2) return "";
    const right = data.parts.filter((_, k) => share(data, 0, k, values[k]));
    return right.length ? `Right already: ${right.join(", ")}. ` : "";
  }

  /* `told` holds the wrong answers so far: a new one brings the next hint. */
  function judge(data, given, told) {
    const texts = given.map((text) => text.trim().split(/\s+/).join(" "));
    if (texts.every((text) => !text)) return { right: null, says: "No answer yet." };
    const values = texts.map((text, k) =>
      data.kinds[k] === "text" ? text.toLowerCase() : numberIn(text, data.kinds[k] === "share"),
    );
    const wrong = complaint(data, texts, values);
    if (wrong) return { right: false, says: wrong };
    for (let target = 0; target < data.targets.length; target++) {
      const says = said(data, target, values);
      if (says !== null) return { right: target === 0, says };
    }
    const answer = JSON.stringify(values);
    if (!told.includes(answer)) told.push(answer);
    const says = partly(data, values) + stage(data, Math.min(told.indexOf(answer), 2));
    return { right: false, says };
  }

  /* ---- progress ------------------------------------------------------------------------------ */
  const NAME = "mlteach-progress"; // also of the format of the file, which mt.progress() reads
  const chapters = window.mlteachExercises ?? {};
  const all = Object.values(chapters).flat();
  let entries = {};
  let keeps = true;

  const isEntry = (entry) => typeof entry?.right === "boolean" && Number.isInteger(entry?.tries);
  const checked = (found) =>
    Object.fromEntries(Object.entries(found).filter(([, entry]) => isEntry(entry)));
  function remember() {
    try {
      entries = checked(JSON.parse(localStorage.getItem(NAME) ?? "{}"));
    } catch {
      keeps = false;
    }
  }
  function store() {
    try {
      localStorage.setItem(NAME, JSON.stringify(entries));
    } catch {
      keeps = false;
    }
    document.dispatchEvent(new CustomEvent(NAME));
  }
  function note(key, right, answer) {
    remember();
    const old = entries[key] ?? { right: false, tries: 0 };
    if (!old.right) entries[key] = { right, tries: old.tries + 1, answer };
    store();
  }
  const better = (one, other) =>
    !other || one.right > other.right || (one.right === other.right && one.tries > other.tries);
  const count = (keys) => keys.filter((key) => entries[key]?.right).length;

  /* ---- the forms ----------------------------------------------------------------------------- */
  const SIGNS = { true: ["✓", "Right"], false: ["✗", "Not right"], null: ["…", "Waiting"] };

  function say(verdict, right, [sign, name], text) {
    const mark = document.createElement("span");
    Object.entries({ role: "img", "aria-label": name }).forEach((pair) => mark.setAttribute(...pair));
    mark.textContent = sign;
    verdict.replaceChildren(mark, ` ${text}`);
    verdict.dataset.right = right;
  }

  function setUp(form) {
    const key = form.dataset.exercise;
    const data = JSON.parse(form.querySelector("script").textContent);
    const fields = [...form.querySelectorAll("input, select")];
    const verdict = form.querySelector(".mlteach-exercise-verdict");
    const solution = form.querySelector('[data-do="solution"]');
    const told = [];
    let hints = 0;

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const given = fields.map((field) => field.value);
      const { right, says } = judge(data, given, told);
      say(verdict, right, SIGNS[right], says);
      if (right !== null) note(key, right, given);
      solution.hidden = right || (entries[key]?.tries ?? 0) < 3;
    });
    form.querySelector('[data-do="hint"]').addEventListener("click", () => {
      const text = `Hint ${hints + 1} of ${data.stages.length}: ${stage(data, hints)}`;
      say(verdict, "hint", ["?", "Hint"], text);
      hints = (hints + 1) % data.stages.length;
    });
    solution.addEventListener("click", () => {
      const cell = document.getElementById(`solution-${key.replace(".", "-")}`);
      const fold = cell.querySelector("details");
      fold.open = true;
      fold.querySelector("summary").focus();
    });
    const mark = () => form.parentElement.classList.toggle("mlteach-right", !!entries[key]?.right);
    document.addEventListener(NAME, mark);
    mark();
    entries[key]?.answer?.forEach((text, k) => fields[k] && (fields[k].value = text));
    if (entries[key]?.right) say(verdict, true, SIGNS.true, "Right.");
    form.querySelectorAll("[disabled]").forEach((node) => (node.disabled = false));
  }

  /* ---- the guesses: the first one counts, and opens the answer ------------------------------- */
  function setUpGuess(form) {
    const { guess: key, right } = form.dataset;
    const verdict = form.querySelector(".mlteach-exercise-verdict");
    const answer = form.querySelector("details");
    const choices = [...form.querySelectorAll("input")];
    const digest = (k) => hex(sha256(encode(`${key}|${k}`)).subarray(0, 4));
    const isRight = choices.map((_, k) => right.split(" ").includes(digest(k)));
    let moving = false; // with the arrow keys, which select what they pass
    let shown;

    function pick(choice) {
      if (!entries[key] && choices.includes(choice)) {
        const k = choices.indexOf(choice);
        note(key, isRight[k], [k]);
      }
    }
    function show() {
      const picked = entries[key]?.answer?.[0];
      if (picked === shown) return;
      shown = picked;
      const known = picked in choices;
      choices.forEach((choice, k) => {
        choice.checked = k === picked;
        choice.disabled = known && k !== picked;
        choice.parentElement.toggleAttribute("data-right", known && isRight[k]);
      });
      answer.open = known;
      if (!known) verdict.replaceChildren();
      else if (isRight[picked]) say(verdict, true, SIGNS.true, "Right.");
      else say(verdict, false, SIGNS.false, "Not right. The answer is below.");
    }
    choices.forEach((choice) => (choice.disabled = false));
    form.addEventListener("keydown", (event) => {
      moving = event.key.startsWith("Arrow");
      if ("Enter ".includes(event.key) && event.target.checked) pick(event.target);
    });
    form.addEventListener("keyup", () => (moving = false));
    form.addEventListener("click", (event) => moving || pick(event.target));
    form.addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener(NAME, show);
    show();
  }

  /* ---- the counters beside the chapters, and the box below them ------------------------------ */
  function counter(link) {
    const keys = chapters[new URL(link.href).pathname.split("/").pop()];
    if (!keys) return;
    const shown = document.createElement("span");
    shown.className = "mlteach-progress-count";
    link.append(shown);
    const show = () => {
      const done = count(keys);
      shown.textContent = `${done}/${keys.length}`;
      shown.setAttribute("aria-label", `, ${done} of ${keys.length} exercises right`);
      shown.setAttribute("role", "img");
      shown.classList.toggle("mlteach-right", done === keys.length);
    };
    document.addEventListener(NAME, show);
    show();
  }

  function save() {
    const link = document.createElement("a");
    const text = `${JSON.stringify({ [NAME]: entries }, null, 1)}\n`;
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `${NAME}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // after it was saved
    return "Saved as a file.";
  }
  async function take(file) {
    try {
      const found = checked(JSON.parse(await file.text())[NAME]);
      remember();
      for (const [key, entry] of Object.entries(found)) {
        if (better(entry, entries[key])) entries[key] = entry;
      }
      store();
      return "Loaded.";
    } catch {
      return "This file holds no progress of this book.";
    }
  }
  function forget() {
    if (!window.confirm("Delete your answers and your progress from this browser?")) return "";
    entries = {};
    store();
    return "Deleted.";
  }

  function progressBox(place) {
    const box = document.createElement("section");
    box.className = "mlteach-progress";
    box.setAttribute("aria-label", "Your progress");
    box.innerHTML = `<p><strong>Exercises</strong> <span></span></p><progress max="${all.length}"
      aria-label="Exercises that are right"></progress><p class="mlteach-progress-buttons"><button
      type="button">Save</button> <label class="mlteach-progress-load">Load<input type="file"
      accept=".json,application/json"></label> <button type="button">Delete</button></p><p
      role="status"></p>`;
    const [saves, forgets] = box.querySelectorAll("button");
    const [loads, says] = [box.querySelector("input"), box.querySelector("[role=status]")];
    const say = (text) => (says.textContent = text);
    saves.addEventListener("click", () => say(save()));
    forgets.addEventListener("click", () => say(forget()));
    loads.addEventListener("change", async () => {
      if (loads.files.length) say(await take(loads.files[0]));
      loads.value = "";
    });
    const show = () => {
      box.querySelector("span").textContent = `${count(all)} of ${all.length} right`;
      box.querySelector("progress").value = count(all);
      if (!keeps) say("This browser keeps nothing: save your progress before you leave.");
    };
    document.addEventListener(NAME, show);
    place.append(box);
    show();
  }

  function begin() {
    remember();
    document.querySelectorAll(".mlteach-exercise").forEach(setUp);
    document.querySelectorAll(".mlteach-guess-form").forEach(setUpGuess);
    if (!all.length) return;
    document.querySelectorAll(".bd-sidebar-primary .bd-links a.reference").forEach(counter);
    const sidebar = document.querySelector(".bd-sidebar-primary .sidebar-primary-items__start");
    if (sidebar) progressBox(sidebar);
    /* Another window of the book. */
    window.addEventListener("storage", () => {
      remember();
      document.dispatchEvent(new CustomEvent(NAME));
    });
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
