// The review page: a few frames ahead, answers written behind the reviewer's back, none lost.
// What is not saved yet is kept under the reviewer's name in the browser, and sent when it can be.
// Words of devices and people are only ever interpolated as text; the heat layer is numbers.
const COUNTED = new Set(["answers", "undo"]), AHEAD = 4, RENEW_MS = 45000, IDLE_MS = 3000, SLOWEST_MS = 10000, FORGOTTEN_MS = 300000, OUTBOX = "edge-guard-review/";

function key() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export default {
  template: `
<div class="desk" :class="{'is-marked': marks}">
  <div class="desk-top">
    <label v-for="f in filters" :key="f.name"><span>{{ f.words }}</span>
      <select :value="part[f.name] ?? ''" @change="narrow(f.name, $event.target)" :data-filter="f.name">
        <option value="">all</option>
        <option v-for="o in f.options" :key="o.value" :value="o.value">{{ o.words }}</option>
      </select></label>
    <div class="desk-progress" role="status">
      <b class="desk-left">{{ left }}</b> of {{ left + sitting }} left ·
      <b class="desk-hour">{{ hour }}</b> done this hour<template v-if="others"> · {{ others }} with others</template>
      <progress :max="left + sitting || 1" :value="sitting"></progress>
    </div>
  </div>
  <div v-if="refused.length || fault" class="desk-fault" role="alert">
    <div v-if="fault">{{ fault }} <b class="desk-unsaved">{{ outbox.length }}</b> not saved yet; trying again.
      Nothing is lost: this browser keeps them.</div>
    <div v-for="r in refused" :key="r">{{ r }}</div>
    <button v-if="refused.length" type="button" class="desk-key" @click="refused = []">Understood</button>
  </div>
  <div v-if="!now" class="empty">
    <div class="empty-title">{{ away ? 'Resting: nobody was here for five minutes.' : asked ? 'Nothing waits for review here.' : 'Looking for frames…' }}</div>
    <div v-if="away">The frames wait for everybody again. Press any key, or click, to go on.</div>
    <div v-if="asked && !away">New frames appear by themselves.</div>
    <button v-if="past.length && !away" type="button" class="desk-key" @click="undo">Undo <kbd>Z</kbd></button>
  </div>
  <div v-else class="desk-main" :data-item="now.item" :data-event="now.event" :data-shown="shown">
    <div class="desk-see">
      <div class="desk-stage">
        <div v-if="!broken" class="picture-frame desk-frame" :style="now.size" :key="now.item">
          <img :src="now.picture" :data-of="now.item" @load="seen($event.target.dataset.of)" @error="unseen($event.target.dataset.of)" alt="frame to judge">
          <div v-if="marks && now.heat" class="heat"><div :style="now.heat.style" v-html="now.heat.svg"></div></div>
          <template v-if="marks" v-for="(r, i) in now.reasons" :key="i">
            <div v-if="r.box" class="outline" :class="{'is-leading': !i}" :style="r.box"><div class="outline-place">{{ i + 1 }}</div></div>
          </template>
        </div>
        <div v-else class="no-picture">The picture cannot be loaded. Skip the frame, or try again later.</div>
      </div>
      <div class="desk-where"><a class="link" :href="'/event/' + now.event">{{ now.where }}</a>
        <span class="time">{{ now.when }}</span>
        <a v-if="now.incident" class="link" :href="now.incident">incident</a></div>
    </div>
    <div class="desk-say">
      <div class="desk-question">Is it <b>{{ now.answer }}</b>? <span class="quiet">The model says so, confidence {{ now.confidence }}.</span></div>
      <div class="desk-answers">
        <button v-for="b in answers" :key="b.name" type="button" :class="'desk-key is-' + b.name" :data-key="b.key"
          :disabled="!shown" @mousedown.prevent @click="b.act()"><span class="desk-sign">{{ b.sign }}</span>{{ b.words }}<kbd>{{ b.key }}</kbd></button>
      </div>
      <div class="desk-labels" v-if="now.labels.length">
        <div class="quiet">What it is instead</div>
        <button v-for="(l, i) in offered" :key="l" type="button" class="desk-key" :class="{'is-model': l === now.answer}"
          :data-key="i + 1" :disabled="!shown" @mousedown.prevent @click="label(l)"><kbd v-if="i < 9">{{ i + 1 }}</kbd>{{ l }}</button>
        <form class="desk-other" @submit.prevent="other"><input v-model.trim="typed" maxlength="128" placeholder="another label" aria-label="another label" list="desk-labels">
          <datalist id="desk-labels"><option v-for="l in now.labels" :key="l" :value="l"></option></datalist>
          <button class="desk-key" :disabled="!typed || !shown">Set</button></form>
      </div>
      <div class="desk-controls">
        <button v-for="b in controls" :key="b.key" type="button" class="desk-key is-quiet" :data-key="b.key" :disabled="b.off"
          @mousedown.prevent @click="b.act()">{{ b.words }}<kbd>{{ b.key }}</kbd></button>
      </div>
      <div class="desk-last" role="status">{{ last }}<span v-if="outbox.length && !fault"> · saving {{ outbox.length }}</span></div>
      <div class="desk-why">
        <div v-if="now.why">{{ now.why }}</div>
        <div v-if="now.together > 1" class="quiet">Number {{ now.together }} of the same trouble.</div>
        <div v-for="(r, i) in now.reasons" :key="i" class="desk-reason"><span class="reason-place">{{ i + 1 }}</span>
          <div><div class="reason-words">{{ r.message }}</div><div class="reason-guard">{{ r.guard }}<template v-if="r.value"> · {{ r.value }}</template></div></div></div>
      </div>
      <div v-if="now.nearest.length"><div class="quiet">Most like these references</div>
        <div class="nearest"><div v-for="n in now.nearest" :key="n.name + n.words" class="nearest-one">
          <img v-if="n.picture" :src="n.picture" :alt="'reference ' + n.name"><div v-else class="no-picture">no picture was kept</div>
          <div class="nearest-name">{{ n.name }}</div><div class="quiet">in {{ n.words }}</div></div></div></div>
    </div>
  </div>
  <div v-if="help" class="desk-help" role="dialog" aria-label="keys" @click="help = false">
    <div class="card"><div class="card-title">Keys</div>
      <div v-for="k in keys" :key="k[0]" class="line"><kbd>{{ k[0] }}</kbd><div>{{ k[1] }}</div></div></div>
  </div>
</div>`,
  props: { filters: Array, start: Object, who: String },
  data: () => ({
    queue: [], past: [], outbox: [], refused: [], part: {}, loaded: {}, failed: {}, typed: "",
    left: 0, others: 0, hour: 0, sitting: 0, asked: false, away: false, fault: "", last: "", help: false, tab: key(),
    marks: localStorage.getItem("edge-guard-marks") !== "off", holder: key(),
    keys: [["Enter or Y", "the model is right"], ["N", "wrong, without saying what it is"], ["1 … 9", "what it is instead"],
      ["U", "unsure"], ["S", "skip: later, perhaps by somebody else"], ["Z or Backspace", "take the last answer back"],
      ["H", "heat and outlines on and off"], ["?", "these keys"]],
  }),
  computed: {
    now() { return this.queue[0]; },
    shown() { return !!this.now && !!this.loaded[this.now.item]; },
    broken() { return !!this.now && !!this.failed[this.now.item]; },
    offered() { return this.now.labels.slice(0, 9); },
    answers() {
      return [
        { name: "right", words: "Right", sign: "✓", key: "Y", act: () => this.say("right") },
        { name: "wrong", words: "Wrong", sign: "✗", key: "N", act: () => this.say("wrong") },
        { name: "unsure", words: "Unsure", sign: "?", key: "U", act: () => this.say("unsure") },
      ];
    },
    controls() {
      return [
        { words: "Skip", key: "S", act: this.skip, off: false },
        { words: "Undo", key: "Z", act: this.undo, off: !this.past.length },
        { words: this.marks ? "Hide marks" : "Show marks", key: "H", act: this.toggle, off: false },
        { words: "Keys", key: "?", act: () => { this.help = !this.help; }, off: false },
      ];
    },
  },
  mounted() {
    this.part = { ...this.start };
    this.mine = `${OUTBOX}${this.who}/`;
    this.adopt();
    Object.assign(this, { images: [], written: 0 });
    this.heard = { keydown: (e) => { if (!this.use()) this.press(e); }, pointerdown: () => this.use(), pagehide: () => this.leave() };
    for (const [kind, act] of Object.entries(this.heard)) addEventListener(kind, act);
    this.use();
    this.timer = setInterval(() => this.beat(), 1000);
    this.flush();
    this.take();
  },
  beforeUnmount() {
    for (const [kind, act] of Object.entries(this.heard)) removeEventListener(kind, act);
    clearInterval(this.timer);
  },
  methods: {
    press(e) {
      if (e.ctrlKey || e.metaKey || e.altKey || e.repeat) return;
      if (["INPUT", "SELECT", "TEXTAREA"].includes(e.target.tagName)) return;
      const name = e.key.length === 1 ? e.key.toUpperCase() : e.key;
      const acts = { ENTER: () => this.say("right"), Y: () => this.say("right"), N: () => this.say("wrong"),
        U: () => this.say("unsure"), S: this.skip, Z: this.undo, BACKSPACE: this.undo, H: this.toggle,
        "?": () => { this.help = !this.help; }, ESCAPE: () => { this.help = false; } };
      let act = acts[name.toUpperCase()];
      if (/^[1-9]$/.test(name) && this.now) {
        const chosen = this.offered[Number(name) - 1];
        act = chosen === undefined ? undefined : () => this.label(chosen);
      }
      if (act === undefined) return;
      e.preventDefault();
      act();
    },
    label(name) { this.say(name === this.now.answer ? "right" : "wrong", name); },
    other() { const name = this.typed; if (name) { this.typed = ""; document.activeElement?.blur(); this.label(name); } },
    say(answer, label) {
      if (!this.shown) return;
      const item = this.queue.shift(), request = key();
      const named = answer === "wrong" && label ? label : null;
      this.past.push({ item, request });
      this.last = `${answer === "wrong" && named ? named : answer} – frame ${item.event}`;
      this.left = Math.max(0, this.left - 1);
      this.sitting += 1;
      this.hour += 1;
      this.write("answers", { request, item: item.item, answer, label: named });
      this.next();
    },
    skip() {
      if (!this.now) return;
      const item = this.queue.shift();
      this.past.push({ item, request: "" });
      this.last = `skipped – frame ${item.event}`;
      this.write("skip", { holder: this.holder, item: item.item });
      this.next();
    },
    undo() {
      const done = this.past.pop();
      if (done === undefined) return;
      this.queue.unshift(done.item);
      this.last = `taken back – frame ${done.item.event}`;
      if (done.request) {
        this.left += 1;
        this.sitting = Math.max(0, this.sitting - 1);
        this.hour = Math.max(0, this.hour - 1);
        this.write("undo", { request: key(), of: done.request, holder: this.holder });
      } else this.write("skip", { holder: this.holder, item: done.item.item, undo: true });
    },
    toggle() { this.marks = !this.marks; localStorage.setItem("edge-guard-marks", this.marks ? "on" : "off"); },
    seen(item) { this.loaded[item] = true; },
    unseen(item) { this.failed[item] = true; },
    next() {
      this.typed = "";
      this.preload();
      if (this.queue.length < AHEAD) this.take();
    },
    preload() { this.images = this.queue.slice(1, AHEAD).map((i) => Object.assign(new Image(), { src: i.picture })); },
    narrow(name, select) {
      this.part = { ...this.part, [name]: select.value === "" ? null : name === "device" ? Number(select.value) : select.value };
      select.blur();
      const query = new URLSearchParams(Object.entries(this.part).filter(([, v]) => v !== null && v !== undefined));
      history.replaceState(null, "", `/review?${query}`);
      this.write("leave", { holder: this.holder });
      Object.assign(this, { holder: key(), queue: [], past: [], sitting: 0, asked: false });
      this.take();
    },
    post(path, body) { return fetch(`/api/review/${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }); },
    async take() {
      if (this.taking) { this.again = true; return; }
      this.taking = true;
      this.takenAt = Date.now();
      const holder = this.holder, keep = [...this.queue, ...this.past.slice(-1).map((p) => p.item)].map((i) => i.item);
      const ahead = new Set(this.queue.map((i) => i.item)), written = this.outbox.some((o) => COUNTED.has(o.path)) ? -1 : this.written;
      try {
        const answer = await this.post("take", { holder, keep, most: Math.max(0, AHEAD - this.queue.length), part: this.part });
        if (!answer.ok) throw new Error(await this.reason(answer));
        const found = await answer.json();
        if (holder === this.holder) this.taken(found, ahead, written === this.written);
        if (!this.outbox.length) this.fault = "";
      } catch (error) { this.fault = `The collector does not answer (${error.message}).`; }
      this.taking = false;
      if (this.again) { this.again = false; this.take(); }
    },
    taken(found, ahead, counts) { // the server's counts are old where something was said meanwhile
      const kept = new Set(found.kept), known = new Set(this.queue.map((i) => i.item));
      const gone = (i) => ahead.has(i.item) && !kept.has(i.item);
      const [first, ...rest] = this.queue; // who looks at a frame may finish; those behind it are not theirs any more
      this.queue = [...(first ? [first] : []), ...rest.filter((i) => !gone(i)), ...found.items.filter((i) => !known.has(i.item))];
      if (counts) Object.assign(this, { left: found.left, others: found.lent, hour: found.hour });
      this.asked = true;
      this.preload();
    },
    write(path, body) {
      this.outbox.push({ path, body });
      if (COUNTED.has(path)) this.written += 1;
      this.remember();
      this.flush();
    },
    adopt() { // of tabs that were closed; what another tab sends as well is stored once
      for (const place of Object.keys(localStorage).filter((k) => k.startsWith(this.mine))) {
        this.outbox.push(...JSON.parse(localStorage.getItem(place)));
        localStorage.removeItem(place);
      }
      this.remember();
    },
    remember() {
      const place = this.mine + this.tab;
      if (this.outbox.length) localStorage.setItem(place, JSON.stringify(this.outbox));
      else localStorage.removeItem(place);
    },
    async flush() {
      if (this.flushing) return;
      this.flushing = true;
      for (let wait = 500; this.outbox.length; ) {
        const one = this.outbox[0];
        const problem = await this.send(one);
        if (problem === null) { this.outbox.shift(); this.remember(); this.fault = ""; wait = 500; continue; }
        this.fault = problem;
        await new Promise((go) => setTimeout(go, wait));
        wait = Math.min(2 * wait, SLOWEST_MS);
      }
      this.flushing = false;
    },
    async send(one) {
      try {
        const answer = await this.post(one.path, one.body);
        if (answer.ok) return null;
        const words = await this.reason(answer);
        if ([401, 408, 429].includes(answer.status) || answer.status >= 500) return `Not saved: ${words}.`;
        this.refused.push(`Refused: ${one.path} (${words}).`);
        return null;
      } catch (error) { return `Not saved: the collector cannot be reached.`; }
    },
    async reason(answer) {
      try {
        const { detail } = await answer.json();
        return typeof detail === "string" ? detail : `status ${answer.status}`;
      } catch { return `status ${answer.status}`; }
    },
    use() { // the key that ends a rest does nothing else
      const woken = this.away;
      Object.assign(this, { usedAt: Date.now(), away: false });
      if (woken) this.take();
      return woken;
    },
    rest() { // a page that nobody looks at holds no frames, and asks for nothing that keeps its session alive
      this.leave();
      Object.assign(this, { away: true, asked: false, queue: [], holder: key() });
    },
    beat() {
      if (this.away) return;
      if (Date.now() - this.usedAt > FORGOTTEN_MS) { this.rest(); return; }
      const pause = this.queue.length ? RENEW_MS : IDLE_MS;
      if (Date.now() - (this.takenAt ?? 0) > pause) this.take();
    },
    leave() {
      if (this.outbox.length) return; // what is answered stays lent until it is saved, or the lease ends
      const body = new Blob([JSON.stringify({ holder: this.holder })], { type: "application/json" });
      navigator.sendBeacon("/api/review/leave", body);
    },
  },
};
