// The page of the rehearsal Slack: who one is, the channels, the messages, the
// forms. blocks.js draws what stands in a message, beside.js what stands beside
// the channel.
'use strict';

let me = '', channel = '', threadTS = '', state = null, poll = null, unread = new Map(), now = 0; // now is the rehearsal's, not this machine's
const drafts = new Map(); // view id -> what stands in its fields
const composed = new Map(); // channel -> what stands in its message field

const kept = {
  get(k) { try { return sessionStorage.getItem(k) || ''; } catch (x) { return ''; } }, // private mode
  set(k, v) { try { sessionStorage.setItem(k, v); } catch (x) { /* not kept */ } },
};

// ---- talking to the workspace

async function deed(verb, body) {
  try {
    const r = await fetch('/rehearsal/' + verb, {
      method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({as: me, ...body}),
    });
    const out = await r.json();
    if (!out.ok && out.error !== 'confirm' && out.error !== 'invalid') notice(out.reason);
    return out;
  } catch (e) {
    notice('The rehearsal Slack does not answer. Is the rehearsal still running?');
    return {ok: false, error: 'gone', reason: 'The rehearsal Slack does not answer. What you entered is kept.'};
  }
}

function notice(words) {
  $('notice').textContent = words || '';
}

const pause = (ms) => new Promise((ok) => setTimeout(ok, ms));

// follow reads the state and then what happens, for as long as one is this
// person; it begins again whenever the line breaks.
async function follow() {
  if (poll) poll.abort();
  const mine = poll = new AbortController();
  let broken = false;
  while (!mine.signal.aborted) {
    try {
      await load(mine.signal);
      if (broken) notice('');
      broken = false;
      await listen(mine.signal);
    } catch (e) {
      if (mine.signal.aborted) return;
      broken = true;
      notice('The rehearsal Slack does not answer. Trying again.');
      await pause(1000);
    }
  }
}

async function load(signal) {
  const read = async () => (await fetch('/rehearsal/state?as=' + encodeURIComponent(me), {signal})).json();
  let next = await read();
  if (!next.people.some((p) => p.id === me)) {
    me = next.people.length ? next.people[0].id : '';
    next = await read();
  }
  state = next;
  now = Date.parse(state.now);
  if (!state.channels.some((c) => c.id === channel)) channel = state.channels[0].id;
  draw();
  showTopView();
  arrive();
}

// arrive shows the message that the address names, once.
function arrive() {
  const at = /^\/archives\/(\w+)\/p(\d+)(\d{6})$/.exec(location.pathname);
  if (!at) return;
  const m = (state.messages[at[1]] || []).find((o) => o.ts === at[2] + '.' + at[3]);
  history.replaceState(null, '', '/' + location.search);
  if (m) goTo(m); else notice('The message that this address names is not here.');
}

async function listen(signal) {
  let after = state.seq;
  for (;;) {
    const r = await fetch('/rehearsal/events?as=' + encodeURIComponent(me) + '&after=' + after, {signal});
    const batch = await r.json();
    if (batch.lost) return;
    after = batch.next;
    if (!batch.events.length) continue;
    for (const e of batch.events) apply(e);
    draw();
    if (batch.events.some((e) => e.type === 'view' || e.type === 'view_closed')) showTopView();
  }
}

function put(list, m) {
  const i = list.findIndex((o) => o.ts === m.ts);
  if (i < 0) list.push(m); else list[i] = m;
}

function apply(e) {
  const m = e.message;
  now = Date.parse(e.time);
  switch (e.type) {
    case 'post': case 'update':
      if (!state.messages[m.channel]) { // a direct message was opened
        state.messages[m.channel] = [];
        if (!state.channels.some((c) => c.id === m.channel)) state.channels.push({id: m.channel, name: state.bot.name});
      }
      put(state.messages[m.channel], m);
      if (e.type === 'post' && m.channel !== channel) unread.set(m.channel, (unread.get(m.channel) || 0) + 1);
      break;
    case 'delete': {
      const list = state.messages[m.channel] || [];
      state.messages[m.channel] = list.filter((o) => o.ts !== m.ts);
      break;
    }
    case 'ephemeral': case 'ephemeral_update': put(state.ephemerals, m); break;
    case 'ephemeral_delete': state.ephemerals = state.ephemerals.filter((o) => o.ts !== m.ts); break;
    case 'view': {
      const i = state.views.findIndex((v) => v.id === e.view.id);
      if (i < 0) state.views.push(e.view); else state.views[i] = e.view;
      break;
    }
    case 'view_closed':
      state.views = state.views.filter((v) => v.id !== e.view_id);
      drafts.delete(e.view_id);
      kept.set('draft ' + e.view_id, '');
      break;
    case 'home': state.homes = [e.view]; break;
    case 'channel': {
      const i = state.channels.findIndex((c) => c.id === e.channel.id);
      if (i < 0) state.channels.push(e.channel); else state.channels[i] = e.channel;
      break;
    }
    case 'connections': state.connections = e.connections || 0; break;
    case 'away': state.away = !!e.away; break;
  }
}

// ---- windows

function draftOf(id) {
  let draft = drafts.get(id);
  if (draft) {
    for (const keep of draft.fields) keep(); // what is in the fields survives an update
  } else { // and a reload of the page
    draft = {values: {}};
    try { draft.values = JSON.parse(kept.get('draft ' + id) || '{}'); } catch (e) { /* begun anew */ }
  }
  draft = {values: draft.values, fields: [], where: {view_id: id}};
  drafts.set(id, draft);
  return draft;
}

function showTopView(faults = {}) {
  const d = $('modal');
  const v = state.views[state.views.length - 1];
  if (!v) { if (d.open) d.close(); return; }
  const again = d.open && d.dataset.view === v.id;
  const at = again && document.activeElement ? document.activeElement.id : '';
  const draft = draftOf(v.id);
  const body = v.view;
  const form = el('div', 'content', ...(body.blocks || []).map((b) => block(b, draft.where, faults, draft)));
  const keep = () => { for (const k of draft.fields) k(); kept.set('draft ' + v.id, JSON.stringify(draft.values)); };
  form.addEventListener('input', keep);
  if (faults['']) { const f = el('div', 'fault', faults['']); f.setAttribute('role', 'alert'); form.append(f); }
  const cancel = pressable('b', body.close ? body.close.text : state.views.length > 1 ? 'Back' : 'Cancel', () => deed('close', {view_id: v.id}));
  const foot = el('div', 'foot', cancel);
  if (body.submit) {
    const send = pressable('b primary', body.submit.text, async () => {
      keep();
      send.disabled = true;
      const out = await deed('submit', {view_id: v.id, values: draft.values});
      send.disabled = false;
      if (!out.ok) showTopView(out.errors && Object.keys(out.errors).length ? out.errors : {'': out.reason || 'That did not work.'});
    });
    foot.append(send);
    form.addEventListener('keydown', (ev) => {
      if (ev.key === 'Enter' && (ev.target.tagName === 'INPUT' || ev.ctrlKey || ev.metaKey)) { ev.preventDefault(); send.click(); }
    });
  }
  d.oncancel = (ev) => { ev.preventDefault(); cancel.click(); }; // Escape
  const name = el('h2', '', body.title ? body.title.text : '');
  name.id = 'modalName';
  d.replaceChildren(name, form, foot);
  d.dataset.view = v.id;
  if (!d.open) d.showModal();
  const bad = d.querySelector('[aria-invalid=true]');
  const first = bad || (at && $(at)) || form.querySelector('input, textarea, select, button') || foot.lastChild;
  if (first) first.focus();
}

// ---- who is waited for

// questions are the bot's open ones, each with the people that it asks: those who
// are named before the colon ("@Bob or @Carol: approve or decline").
function questions() {
  const out = [];
  for (const list of Object.values(state.messages)) {
    for (const m of list) {
      const meta = m.metadata || {}, p = meta.event_payload || {};
      if (meta.event_type !== 'failoverbot' || p.kind !== 'question' || !p.open) continue;
      const lines = (m.blocks || []).flatMap((b) => (b.text ? b.text.text.split('\n') : []));
      const named = (s) => [...s.matchAll(/<@(\w+)/g)].map((x) => x[1]);
      const asked = lines.find((l) => /^<@\w+[^:]*:/.test(l));
      out.push({m, title: plainText(m.text).replace(/^REHEARSAL · /, ''), people: asked ? named(asked.slice(0, asked.indexOf(':'))) : named(lines.join('\n'))});
    }
  }
  return out;
}

// ---- the channel

const viewerTime = (ts, o) => new Date(Number(ts) * 1000).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...o});
const exactly = (ts) => new Date(Number(ts) * 1000).toLocaleString([], {dateStyle: 'full', timeStyle: 'long'}) + ' · ' + new Date(Number(ts) * 1000).toISOString().slice(11, 19) + ' UTC';
const isDirect = (id) => id.startsWith('D');
const face = (name, bot) => el('span', 'face' + (bot ? ' bot' : ' f' + (name.charCodeAt(0) % 6)), name.slice(0, 1).toUpperCase());

function file(f) {
  const at = '/files/' + encodeURIComponent(f.id);
  const kind = (/\.(\w+)$/.exec(f.name) || ['', ''])[1].toLowerCase();
  const size = f.size < 1024 ? f.size + ' bytes' : (f.size / 1024).toFixed(1) + ' kB';
  const open = el('a', '', f.title || f.name);
  open.href = at;
  open.target = '_blank';
  open.rel = 'noopener';
  const box = el('div', 'file', el('div', 'fileHead', open, el('small', '', f.name + ' · ' + size)));
  if (kind === 'png') {
    const i = el('img');
    i.src = at;
    i.alt = f.title || f.name;
    box.append(i);
  } else if (['md', 'txt', 'json', 'jsonl', 'log', 'csv'].includes(kind)) {
    const body = el('div', 'preview');
    body.tabIndex = 0;
    body.setAttribute('role', 'region');
    body.setAttribute('aria-label', 'Preview of ' + (f.title || f.name));
    const more = pressable('plain more', 'Show all', () => {
      const all = body.classList.toggle('all');
      more.textContent = all ? 'Show less' : 'Show all';
      more.setAttribute('aria-expanded', all);
    });
    more.setAttribute('aria-expanded', 'false');
    box.append(body, more);
    fetch(at).then((r) => r.text()).then((t) => {
      const shown = t.slice(0, 200000);
      const end = atEnd($('messages'));
      body.append(kind === 'md' ? markdown(shown) : el('pre', '', shown));
      if (end) toEnd($('messages'));
    }, () => body.append('The file cannot be read.'));
  }
  return box;
}

function message(m, inThread, cont) {
  const p = person(m.user) || {name: m.user === 'USLACKBOT' ? 'Slackbot' : m.user};
  const isBot = !!m.bot_id || m.user === 'USLACKBOT';
  const at = el('time', 'time', viewerTime(m.ts));
  at.title = exactly(m.ts);
  const only = !!m.for;
  const body = el('div', 'body');
  if (only) body.append(el('div', 'onlyNote', 'Only visible to you'));
  body.append(el('div', 'head', el('span', 'name', p.name), isBot ? el('span', 'badge', 'APP') : null,
    p.title ? el('span', 'role', p.title) : null, at, m.pinned ? el('span', 'mark', 'pinned') : null));
  if (m.blocks && m.blocks.length) {
    const where = {channel: m.channel, message_ts: m.ts};
    const draft = {values: {}, fields: [], where};
    body.append(...m.blocks.map((b) => block(b, where, {}, draft)));
  } else if (m.text) {
    body.append(el('div', 'text', mrkdwn(m.text)));
  }
  if (m.edited) body.append(el('span', 'mark', '(edited)'));
  for (const f of m.files || []) body.append(file(f));
  if (m.reactions) body.append(el('div', 'hint', m.reactions.map((r) => ':' + r + ':').join(' ')));
  if (!inThread && !only) {
    const all = repliesTo(m);
    const n = all.length;
    const open = pressable('replies' + (n ? '' : ' startThread'), n ? n + (n === 1 ? ' reply' : ' replies') : 'Reply in thread', () => openThread(m.ts));
    if (n) open.append(el('span', 'hint', ' last at ' + viewerTime(all[n - 1].ts)));
    body.append(open);
  }
  const li = el('li', 'message' + (only ? ' only' : '') + (cont ? ' cont' : ''), face(p.name, isBot), body);
  li.dataset.ts = m.ts;
  return li;
}

const repliesTo = (m) => (state.messages[m.channel] || []).filter((o) => o.thread_ts === m.ts);

function openThread(ts) {
  threadTS = ts;
  draw();
  toEnd($('replies'));
  $('replyText').focus();
}

function closeThread() {
  const was = threadTS;
  threadTS = '';
  draw();
  const back = document.querySelector('#messages [data-ts="' + was + '"] .replies');
  (back || $('text')).focus();
}

const atEnd = (list) => list.scrollHeight - list.scrollTop - list.clientHeight < 80;
const toEnd = (list) => { list.scrollTop = list.scrollHeight; };

// fill brings a list up to date and leaves alone what has not changed, so that a
// button is not taken from under the finger that presses it.
function fill(list, items, end = atEnd(list)) {
  const old = new Map([...list.children].map((n) => [n.dataset.key, n]));
  let at = list.firstChild, added = false;
  for (const {key, sign, make} of items) {
    let n = old.get(key);
    old.delete(key);
    if (!n || n.dataset.sign !== sign) {
      const fresh = make();
      fresh.dataset.key = key;
      fresh.dataset.sign = sign;
      if (n) { if (at === n) at = fresh; replace(n, fresh); } else { list.insertBefore(fresh, at); added = true; }
      n = fresh;
    } else if (n !== at) {
      list.insertBefore(n, at);
    }
    at = n.nextSibling;
  }
  for (const n of old.values()) n.remove();
  if (end) toEnd(list);
  return added && !end;
}

// replace puts a fresh node in the place of one, with the focus where it was.
function replace(old, fresh) {
  const had = old.contains(document.activeElement) ? document.activeElement : null;
  const buttons = (n) => [...n.querySelectorAll('button, select, input, a')];
  const i = had ? buttons(old).indexOf(had) : -1;
  old.replaceWith(fresh);
  if (i < 0) return;
  const same = buttons(fresh).find((b) => b.textContent === had.textContent) || buttons(fresh)[i];
  if (same) same.focus({preventScroll: true});
}

// versions number the messages: an update brings a new object.
const versions = new WeakMap();
let version = 0;
const versionOf = (m) => { if (!versions.has(m)) versions.set(m, ++version); return versions.get(m); };

function items(messages, inThread) {
  let last = null;
  const out = [];
  for (const m of messages) {
    const day = new Date(Number(m.ts) * 1000).toDateString();
    if (!inThread && (!last || last.day !== day)) {
      out.push({key: 'day ' + day, sign: '', make: () => el('li', 'day', el('span', '', new Date(Number(m.ts) * 1000).toLocaleDateString([], {weekday: 'long', month: 'long', day: 'numeric'})))});
    }
    const only = !!m.for;
    const short = (m.blocks || []).length < 2; // what is longer stands for itself
    const cont = short && !!last && last.day === day && last.user === m.user && last.only === only && Number(m.ts) - last.ts < 300;
    last = {day, user: m.user, only, ts: Number(m.ts)};
    const replies = inThread ? [] : repliesTo(m);
    out.push({
      key: m.channel + m.ts, sign: [me, cont, replies.length, versionOf(m)].join(), make: () => message(m, inThread, cont),
    });
  }
  return out;
}

const byTS = (a, b) => (a.ts < b.ts ? -1 : 1);

function go(id) {
  composed.set(channel, $('text').value);
  channel = id;
  threadTS = '';
  $('text').value = composed.get(id) || '';
  side(false);
  draw();
  toEnd($('messages'));
  $('text').focus();
}

// goTo shows a message, wherever it is.
function goTo(m) {
  if (m.channel !== channel) go(m.channel);
  if (m.thread_ts) openThread(m.thread_ts);
  const li = document.querySelector((m.thread_ts ? '#replies' : '#messages') + ' [data-ts="' + m.ts + '"]');
  if (!li) return;
  li.scrollIntoView({block: 'center'});
  li.classList.remove('found');
  void li.offsetWidth; // so that the animation runs again
  li.classList.add('found');
  const b = li.querySelector('.b');
  if (b) b.focus({preventScroll: true});
}

function become(id) {
  if (id === me) return;
  me = id;
  kept.set('me', me);
  drafts.clear();
  unread.clear();
  threadTS = '';
  notice('');
  side(false);
  follow();
}

function draw() {
  if (!state) return;
  const asked = questions();
  const waited = (id) => asked.filter((q) => q.people.includes(id));
  fill($('who'), state.people.map((p) => {
    const n = waited(p.id).length;
    return {
      key: p.id, sign: [p.id === me, n].join(), make: () => {
        const b = pressable('person', '', () => become(p.id));
        b.append(face(p.name, false), el('span', 'personName', p.name, el('small', '', p.title || '')));
        if (n) b.append(el('span', 'asked', 'asked'));
        b.setAttribute('aria-pressed', p.id === me);
        b.dataset.person = p.id;
        b.title = n ? 'The bot waits for ' + p.name : '';
        return el('li', '', b);
      },
    };
  }));

  unread.delete(channel);
  const entry = (c) => ({
    key: c.id, sign: [unread.get(c.id), c.id === channel, c.name].join(), make: () => {
      const b = pressable(unread.get(c.id) ? 'unread' : '', (isDirect(c.id) ? '' : '# ') + c.name, () => go(c.id));
      if (unread.get(c.id)) b.append(el('span', 'count', String(unread.get(c.id))));
      if (c.id === channel) b.setAttribute('aria-current', 'true');
      b.dataset.channel = c.id;
      return el('li', '', b);
    },
  });
  const shown = state.channels.concat(state.homes.length ? [{id: 'home', name: state.bot.name + ' Home'}] : []);
  fill($('channels'), state.channels.filter((c) => !isDirect(c.id)).map(entry));
  const direct = state.channels.filter((c) => isDirect(c.id)).map(entry);
  direct.push({key: 'home', sign: String(channel === 'home'), make: () => {
    const b = pressable('', state.bot.name + ' · Home', () => { deed('home', {}); go('home'); });
    if (channel === 'home') b.setAttribute('aria-current', 'true');
    return el('li', '', b);
  }});
  fill($('direct'), direct);

  const c = shown.find((o) => o.id === channel) || {id: 'home', name: state.bot.name + ' · Home'};
  $('name').textContent = (isDirect(c.id) || c.id === 'home' ? '' : '# ') + c.name;
  $('topic').textContent = c.topic || '';
  const mine = waited(me);
  document.title = (mine.length ? '(' + mine.length + ') ' : '') + c.name + ' · Rehearsal Slack';
  const n = state.connections || 0;
  $('link').textContent = state.away ? 'Slack is away' : n ? state.bot.name + ' is connected (' + n + ')' : state.bot.name + ' is not connected';
  $('link').className = n && !state.away ? 'up' : 'down';
  $('away').hidden = !state.away;
  $('text').placeholder = 'Message ' + $('name').textContent + ', or ' + state.command + ' …';
  $('composer').hidden = channel === 'home';

  const all = (state.messages[channel] || []).slice();
  const only = state.ephemerals.filter((m) => m.channel === channel);
  pinnedCard(all);
  if (channel === 'home') {
    fill($('messages'), home());
  } else {
    const more = fill($('messages'), items(all.filter((m) => !m.thread_ts || m.broadcast).concat(only.filter((m) => !m.thread_ts)).sort(byTS), false));
    if (more) $('newer').hidden = false;
  }
  if (atEnd($('messages'))) $('newer').hidden = true;
  fill($('waits'), mine.map((q) => ({key: q.m.ts, sign: q.title, make: () => {
    const d = el('div', '', el('strong', '', 'Waits for you: '), q.title, ' ');
    d.append(pressable('b small', 'Show', () => goTo(q.m)));
    return d;
  }})));
  $('thread').hidden = !threadTS;
  if (threadTS) {
    const replies = all.filter((m) => m.ts === threadTS || m.thread_ts === threadTS).concat(only.filter((m) => m.thread_ts === threadTS)).sort(byTS);
    fill($('replies'), items(replies, true));
  }
}

function home() {
  const v = state.homes[0];
  if (!v) return [{key: 'no home', sign: '', make: () => el('li', 'hint empty', state.bot.name + ' has published nothing here for you.')}];
  return [{key: 'home', sign: v.hash, make: () => {
    const where = {view_id: v.id};
    return el('li', 'message', el('div', 'body', ...v.view.blocks.map((b) => block(b, where, {}, {values: {}, fields: [], where}))));
  }}];
}

// pinnedCard is what stands above the channel: what is pinned, or else the live
// card of the newest incident.
function pinnedCard(all) {
  const pins = all.filter((m) => m.pinned);
  const cards = all.filter((m) => m.metadata && m.metadata.event_type === 'failoverbot' && (m.metadata.event_payload || {}).kind === 'card');
  const m = pins[pins.length - 1] || cards[cards.length - 1];
  const box = $('pinned');
  box.hidden = !m;
  if (!m) return;
  const sign = m.channel + m.ts + versionOf(m) + me;
  if (box.dataset.sign === sign) return;
  box.dataset.sign = sign;
  const summary = box.querySelector('summary');
  summary.textContent = (m.pinned ? 'Pinned: ' : 'Live card: ') + plainText(m.text).replace(/^REHEARSAL · /, '');
  const where = {channel: m.channel, message_ts: m.ts};
  const fresh = el('div', '', ...(m.blocks || []).map((b) => block(b, where, {}, {values: {}, fields: [], where})));
  fresh.id = 'pinnedBody';
  fresh.append(pressable('plain', 'Show in the channel', () => goTo(m)));
  replace($('pinnedBody'), fresh);
}

// ---- the message field and its commands

let said = {as: '', at: 0, regions: [], lines: []}; // what the bot says may be said
let offered = [], chosen = -1;

// learn asks the bot's own help what this person may say, what works now first.
async function learn() {
  if (said.as === me && Date.now() - said.at < 5000) return;
  said = {...said, as: me, at: Date.now()};
  try {
    const r = await fetch('/beside/help?as=' + encodeURIComponent(me));
    if (!r.ok) return; // the bot is not there; what it said before still helps
    const help = (await r.json()).text;
    said.lines = [...help.matchAll(/^`(\/\S+ [^`]+)` (.*)$/gm)].map((m) => ({usage: m[1].split(' '), about: m[2]}));
    const regions = /^Regions: ([^.]*)/m.exec(help);
    said.regions = regions ? regions[1].split(/,\s*|\s+and\s+/).map((w) => w.trim()).filter(Boolean) : [];
  } catch (e) { /* the notice says so */ }
  complete();
}

function candidates(typed) {
  const words = typed.split(' ');
  const last = words.length - 1;
  if (last === 0) return state.command.startsWith(words[0]) ? [{text: state.command + ' ', about: 'speak to ' + state.bot.name}] : [];
  if (words[0] !== state.command) return [];
  if (last === 1) return said.lines.filter((l) => l.usage[1].startsWith(words[1])).map((l) => ({text: l.usage.slice(0, 2).join(' ') + (l.usage.length > 2 ? ' ' : ''), show: l.usage.join(' '), about: l.about}));
  const line = said.lines.find((l) => l.usage[1] === words[1]);
  if (!line || !line.usage[last]) return [];
  const slot = line.usage[last].replace(/[[\]]/g, '');
  const values = slot === 'REGION' ? said.regions : slot.includes('|') ? slot.split('|') : [];
  const fit = values.filter((v) => v.startsWith(words[last]) && v !== words[last]);
  const before = words.slice(0, last).join(' ') + ' ';
  return fit.length ? fit.map((v) => ({text: before + v + ' ', show: before + v, about: line.about})) : [{text: '', show: line.usage.join(' '), about: line.about}];
}

function complete() {
  const field = $('text'), box = $('complete');
  offered = /^\/[^\n]*$/.test(field.value) && document.activeElement === field ? candidates(field.value) : [];
  chosen = Math.min(chosen, offered.length - 1);
  box.replaceChildren(...offered.map((o, i) => {
    const li = el('li', '', el('code', '', o.show || o.text), el('span', '', o.about));
    li.id = 'option-' + i;
    li.setAttribute('role', 'option');
    li.setAttribute('aria-selected', i === chosen);
    li.onmousedown = (ev) => { ev.preventDefault(); take(i); };
    return li;
  }));
  box.hidden = !offered.length;
  if (chosen >= 0) {
    field.setAttribute('aria-activedescendant', 'option-' + chosen);
    box.children[chosen].scrollIntoView({block: 'nearest'});
  } else {
    field.removeAttribute('aria-activedescendant');
  }
}

function take(i) {
  if (offered[i] && offered[i].text) $('text').value = offered[i].text;
  chosen = -1;
  grow($('text'));
  complete();
}

function hush() {
  offered = [];
  chosen = -1;
  $('complete').hidden = true;
  $('text').removeAttribute('aria-activedescendant');
}

function grow(field) {
  field.rows = Math.min(8, field.value.split('\n').length);
}

async function send(field, more) {
  const words = field.value.trim();
  if (!words) return;
  notice('');
  hush();
  field.value = '';
  grow(field);
  const out = await deed(words.startsWith('/') ? 'command' : 'say', {channel, text: words, ...more});
  if (!out.ok && !field.value && out.error !== 'no_answer' && out.error !== 'not_delivered') field.value = words; // so that it can be mended
  toEnd($('messages'));
}

for (const [form, field, more] of [['composer', 'text', () => ({})], ['reply', 'replyText', () => ({thread_ts: threadTS})]]) {
  $(form).addEventListener('submit', (e) => { e.preventDefault(); send($(field), more()); });
  $(field).addEventListener('input', () => grow($(field)));
  $(field).addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing && !e.defaultPrevented && chosen < 0) { e.preventDefault(); $(form).requestSubmit(); }
  });
}
$('text').addEventListener('input', () => { chosen = -1; if ($('text').value.startsWith('/')) learn(); complete(); });
$('text').addEventListener('blur', hush);
$('text').addEventListener('keydown', (e) => {
  if (!offered.length) return;
  const step = {ArrowDown: 1, ArrowUp: -1}[e.key];
  if (step) {
    e.preventDefault();
    chosen = (chosen + step + offered.length) % offered.length;
    complete();
  } else if (e.key === 'Tab' && !e.shiftKey && offered[Math.max(chosen, 0)].text) {
    e.preventDefault();
    take(Math.max(chosen, 0));
  } else if (e.key === 'Enter' && chosen >= 0) {
    e.preventDefault();
    take(chosen);
  } else if (e.key === 'Escape') {
    e.stopPropagation();
    hush();
  }
}, true);

// ---- around it

function side(open) {
  document.body.classList.toggle('sideOpen', open);
  $('menu').setAttribute('aria-expanded', open);
}

const dark = matchMedia('(prefers-color-scheme: dark)');
function theme() {
  let want = '';
  try { want = localStorage.getItem('theme') || ''; } catch (x) { /* private mode */ }
  const is = want || (dark.matches ? 'dark' : 'light');
  document.documentElement.dataset.theme = is;
  $('theme').textContent = is === 'dark' ? 'Light' : 'Dark';
  $('theme').setAttribute('aria-label', 'Use ' + (is === 'dark' ? 'light' : 'dark') + ' colours');
}
dark.addEventListener('change', theme);
$('theme').addEventListener('click', () => {
  try { localStorage.setItem('theme', document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'); } catch (x) { /* private mode */ }
  theme();
});
theme();

$('menu').addEventListener('click', () => side(!document.body.classList.contains('sideOpen')));
$('sideClose').addEventListener('click', () => { side(false); $('menu').focus(); });
$('threadClose').addEventListener('click', closeThread);
$('newer').addEventListener('click', () => { toEnd($('messages')); $('newer').hidden = true; });
// Whoever reads the newest goes on doing so when the list becomes smaller.
for (const id of ['messages', 'replies']) {
  const list = $(id);
  let stays = true;
  list.addEventListener('scroll', () => {
    stays = atEnd(list);
    if (stays && id === 'messages') $('newer').hidden = true;
  }, {passive: true});
  new ResizeObserver(() => { if (stays) toEnd(list); }).observe(list);
}
document.addEventListener('keydown', (e) => {
  if (e.key !== 'Escape' || $('modal').open || $('confirm').open || e.defaultPrevented) return;
  if (document.body.classList.contains('sideOpen')) side(false);
  else if (threadTS && !e.target.closest('.dock')) closeThread();
  else closeDocks();
});

me = new URLSearchParams(location.search).get('as') || kept.get('me');
follow();

for (const name of Object.keys(docks)) {
  $(name + 'Button').addEventListener('click', () => dock(name, $(name).hidden));
  $(name + 'Close').addEventListener('click', closeDocks);
}
if (docks[kept.get('dock')]) dock(kept.get('dock'), true);
