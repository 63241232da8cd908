// The page of the rehearsal Slack: who one is, the channels, the messages, the
// forms. blocks.js draws what stands in a message, beside.js what stands beside
// the channel.
'use strict';

let me = '', channel = '', threadTS = '', state = null, poll = null, unread = new Map(), now = 0; // now is the rehearsal's, not this machine's
let silent = false; // nobody answers at this address
let stage = null, tasks = null; // how the rehearsal stands and what there is to try; null where there is none
const drafts = new Map(); // view id -> what stands in its fields
const composed = new Map(); // channel -> what stands in its message field

const kept = {
  get(k) { try { return sessionStorage.getItem(k) || ''; } catch (x) { return ''; } }, // private mode
  set(k, v) { try { sessionStorage.setItem(k, v); } catch (x) { /* not kept */ } },
  drop(prefix) { try { for (const k of Object.keys(sessionStorage)) if (k.startsWith(prefix)) sessionStorage.removeItem(k); } catch (x) { /* nothing was kept */ } },
};

// ---- talking to the workspace

async function deed(verb, body) {
  try {
    const r = await fetch('/rehearsal/' + verb, {
      method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({as: me, ...body}),
    });
    const out = await r.json();
    if (out.ok) notice('');
    else if (out.error !== 'confirm' && out.error !== 'invalid') notice(out.reason, out.error);
    return out;
  } catch (e) {
    notice('The rehearsal Slack does not answer. Is the rehearsal still running?');
    return {ok: false, error: 'gone', reason: 'The rehearsal Slack does not answer. What you entered is kept.'};
  }
}

// isOver says of a notice that it is no longer so.
const isOver = {away: () => !state.away, not_delivered: () => state.connections > 0};

function notice(words, about = '') {
  $('notice').textContent = words || '';
  $('notice').dataset.about = about;
}

const pause = (ms) => new Promise((ok) => setTimeout(ok, ms));

// follow reads the state and then what happens, for as long as one is this
// person; it begins again whenever the line breaks.
async function follow() {
  if (poll) poll.abort();
  const mine = poll = new AbortController();
  while (!mine.signal.aborted) {
    try {
      await load(mine.signal);
      await listen(mine.signal);
    } catch (e) {
      if (mine.signal.aborted) return;
      silent = true;
      if (!$('raising').textContent) {
        notice('The rehearsal Slack does not answer. Trying again.');
        if (state) drawLink();
      }
      await pause($('raising').textContent ? 250 : 1000);
    }
  }
}

async function load(signal) {
  const read = async () => (await fetch('/rehearsal/state?as=' + encodeURIComponent(me), {signal})).json();
  const at = await beside('/panel/stage', signal); // first: should the life change in between, the next look finds it
  let [next, todo] = await Promise.all([read(), beside('/panel/practice', signal)]);
  if (!next.people.some((p) => p.id === me)) {
    me = next.people.length ? next.people[0].id : '';
    next = await read();
  }
  const another = state && (next.seq < state.seq || Date.parse(next.now) < now - 1000 || (stage && at && stage.life !== at.life));
  if (another) forget();
  if (silent) notice('');
  silent = false;
  [state, stage, tasks] = [next, at, todo];
  now = Date.parse(state.now);
  if (!placeOf(channel)) channel = placeIn(location.pathname);
  draw();
  if (!shown) { shown = true; if (channel === 'home') deed('home', {}); }
  if (another) { toEnd($('messages')); $('text').focus(); }
  refreshDock();
  showTopView();
  arrive();
}

// placeIn is the channel that an address names, or the first.
let shown = false;
function placeIn(path) {
  const at = /^\/archives\/(\w+)/.exec(path);
  return at && placeOf(at[1]) ? at[1] : state.channels[0].id;
}

// beside is null where nothing stands beside the workspace.
async function beside(path, signal) {
  const r = await fetch(path, {signal});
  return r.ok ? r.json() : null;
}

// watch notices another rehearsal at this address, whose workspace may have
// nothing to say yet.
async function watch() {
  for (;;) {
    await pause($('raising').hidden ? 3000 : 250);
    if (!stage) continue;
    const at = await beside('/panel/stage').catch(() => null);
    if (at && stage && at.life !== stage.life) follow();
    else if (!$('welcome').hidden) await askPractice().catch(() => null);
  }
}

// forget drops what belonged to a workspace that is no more: another rehearsal
// began at this address. Who one is stays.
function forget() {
  drafts.clear();
  kept.drop('draft ');
  composed.clear();
  unread.clear();
  channel = threadTS = joining = '';
  history.replaceState(null, '', '/' + location.search);
  for (const field of ['text', 'replyText']) { $(field).value = ''; grow($(field)); }
  for (const list of ['messages', 'replies', 'memberList', 'pinList']) $(list).replaceChildren();
  said = {as: '', at: 0, regions: [], lines: []};
  hush();
  for (const d of [$('modal'), $('confirm')]) if (d.open) d.close();
  forgetWire();
  seenResult = '';
  dock('practice', false);
  kept.set('welcome', '');
  notice('');
  raising('');
}

// raising says that another scenario is on its way.
let patience = 0;
function raising(words) {
  clearTimeout(patience);
  $('raising').textContent = words;
  $('raising').hidden = !words;
  if (words) patience = setTimeout(() => { raising(''); notice('The scenario has not begun after 20 s. The terminal where the rehearsal runs may say why.'); }, 20000);
}

// arrive shows the message that the address names, once.
function arrive() {
  const at = /^\/archives\/(\w+)\/p(\d+)(\d{6})$/.exec(location.pathname);
  if (!at) return;
  const m = (state.messages[at[1]] || []).find((o) => o.ts === at[2] + '.' + at[3]);
  history.replaceState(null, '', '/archives/' + at[1] + location.search);
  if (m) goTo(m); else notice('The message that this address names is not here.');
}

async function listen(signal) {
  let after = state.seq, sure = true;
  for (;;) {
    const r = await fetch('/rehearsal/events?as=' + encodeURIComponent(me) + '&after=' + after, {signal});
    const batch = await r.json();
    if (batch.lost) return;
    // A workspace that ends answers with nothing, and the next one may answer in
    // its place: its news belong to another life.
    const empty = !batch.events.length;
    if (empty || !sure) {
      const at = await beside('/panel/stage', signal);
      if (stage && at && at.life !== stage.life) return;
    }
    sure = !empty;
    state.seq = after = batch.next;
    if (empty) {
      await pause(50);
      continue;
    }
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
      if (e.type === 'post' && m.user !== me && m.channel === channel) $('said').textContent = (person(m.user) || {name: m.user}).name + ': ' + plainText(m.text).slice(0, 200);
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
      if (e.channel.private && !membersOf(e.channel).includes(me)) state.channels = state.channels.filter((c) => c.id !== e.channel.id);
      if (!placeOf(channel)) go(state.channels[0].id);
      break;
    }
    case 'group': {
      const i = state.groups.findIndex((g) => g.id === e.group.id);
      if (i < 0) state.groups.push(e.group); else state.groups[i] = e.group;
      break;
    }
    case 'presence': state.people = state.people.map((p) => (p.id === e.person.id ? e.person : p)); break;
    case 'connections': state.connections = e.connections || 0; break;
    case 'away': {
      state.away = !!e.away;
      const said = $('modal').querySelector('.fault[role=alert]');
      if (said && !state.away) said.remove(); // it may have been about that
      break;
    }
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
  if (!v) { if (d.open) { d.close(); refocus(); } return; }
  const again = d.open && d.dataset.view === v.id;
  const was = again && document.activeElement, at = was ? was.id : '', caret = was && was.type !== 'number' && was.selectionStart;
  const draft = draftOf(v.id);
  const body = v.view;
  const form = el('div', 'content', ...blocks(body.blocks, draft.where, faults, draft));
  const keep = () => { for (const k of draft.fields) k(); kept.set('draft ' + v.id, JSON.stringify(draft.values)); };
  form.addEventListener('input', keep);
  if (faults['']) { const f = el('div', 'fault', faults['']); f.setAttribute('role', 'alert'); form.append(f); }
  const cancel = pressable('b', body.close ? body.close.text : state.views.length > 1 ? 'Back' : 'Cancel', () => deed('close', {view_id: v.id}));
  const foot = el('div', 'foot', cancel);
  if (body.submit) {
    const send = pressable('b primary', body.submit.text, async () => {
      keep();
      busy(send, true);
      const out = await deed('submit', {view_id: v.id, values: draft.values});
      busy(send, false);
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
  const shut = pressable('plain', '✕', () => cancel.click());
  shut.setAttribute('aria-label', 'Close this window');
  d.replaceChildren(el('header', '', name, shut), form, foot);
  d.dataset.view = v.id;
  if (!d.open) d.showModal();
  const bad = d.querySelector('[aria-invalid=true]');
  const first = bad || (at && $(at)) || form.querySelector('input, textarea, select, button') || foot.lastChild;
  if (first) first.focus();
  const said = bad ? bad.closest('.input') : form.querySelector('.fault[role=alert]');
  if (said) said.scrollIntoView({block: 'nearest'});
  if (first && !bad && first.id === at && typeof caret === 'number') first.setSelectionRange(caret, caret);
}

// ---- who is waited for

// questions are the bot's messages that wait for somebody, each with the people.
function questions() {
  const out = [];
  for (const list of Object.values(state.messages)) {
    for (const m of list) {
      const meta = m.metadata || {}, p = meta.event_payload || {};
      if (meta.event_type === 'failoverbot' && p.waits_for) out.push({m, title: plainText(p.asks), people: p.waits_for});
    }
  }
  return out;
}

// ---- the channel

const viewerTime = (ts, o) => new Date(Number(ts) * 1000).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...o});
const exactly = (ts) => new Date(Number(ts) * 1000).toLocaleString([], {dateStyle: 'full', timeStyle: 'long'}) + ' · ' + new Date(Number(ts) * 1000).toISOString().slice(11, 19) + ' UTC';
const isDirect = (id) => id.startsWith('D');
const roles = (p) => (p.title || '').replace(/_/g, ' ');

function face(name, bot) {
  if (!bot) return el('span', 'face f' + (name.charCodeAt(0) % 6), name.slice(0, 1).toUpperCase());
  const i = el('img', 'face');
  i.src = '/icon.svg';
  i.alt = '';
  return i;
}

// home is the app's page, which is no channel; so is its direct message before
// the app has said anything there.
const isApp = (id) => id === 'home' || id === 'direct' || isDirect(id);
const placeOf = (id) => isApp(id) && !isDirect(id) || state.channels.find((c) => c.id === id);
const isEphemeral = (m) => !!m.for && !isDirect(m.channel);
const directOf = () => state.channels.find((c) => isDirect(c.id));
const membersOf = (c) => c.members || [];
const mayWrite = (c) => isDirect(c.id) ? !state.direct_read_only : !c.archived && (membersOf(c).includes(me) || joining === c.id);
let joining = ''; // a channel that one is not in and wants to write in

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
    box.dataset.keep = box.dataset.key = f.id;
    fetch(at).then((r) => r.text()).then((t) => {
      const shown = t.slice(0, 200000);
      const end = atEnd($('messages'));
      body.append(kind === 'md' ? markdown(shown) : el('pre', '', shown));
      if (end) toEnd($('messages'));
    }, () => body.append('The file cannot be read.'));
  }
  return box;
}

// replied counts the replies of the threads of what is drawn.
let replied = new Map();

function message(m, inThread, cont) {
  const p = person(m.user) || {name: m.user === 'USLACKBOT' ? 'Slackbot' : m.user};
  const isBot = !!m.bot_id || m.user === 'USLACKBOT';
  const at = el('time', 'time', viewerTime(m.ts));
  at.title = exactly(m.ts);
  const only = isEphemeral(m);
  const body = el('div', 'body');
  if (only) body.append(el('div', 'onlyNote', 'Only visible to you'));
  const framed = m.blocks && m.blocks.length;
  const edited = m.edited ? el('span', 'mark', framed ? '(edited)' : ' (edited)') : null;
  body.append(el('div', 'head', el('span', 'name', p.name), isBot ? el('span', 'badge', 'APP') : null,
    p.title ? el('span', 'role', roles(p)) : null, at, m.pinned ? el('span', 'mark pinnedMark', icon('pin'), 'pinned') : null, framed ? edited : null));
  if (framed) body.append(...blocks(m.blocks, {channel: m.channel, message_ts: m.ts}));
  else if (m.text) body.append(el('div', 'text', mrkdwn(m.text), edited));
  for (const f of m.files || []) body.append(file(f));
  if (m.reactions) body.append(el('div', 'reactions', ...m.reactions.map((r) => el('span', 'reaction', emojiNamed(r)))));
  const all = inThread || only ? null : replied.get(m.ts);
  if (all) {
    const open = pressable('replies', all.n + (all.n === 1 ? ' reply' : ' replies'), () => openThread(m.ts));
    open.append(el('span', 'hint', ' last at ' + viewerTime(all.last)));
    body.append(open);
  }
  const li = el('li', 'message' + (only ? ' only' : '') + (cont ? ' cont' : ''), face(p.name, isBot), body);
  li.dataset.ts = m.ts;
  li.dataset.channel = m.channel;
  li.tabIndex = -1;
  return li;
}

// ---- what can be done with a message

// acts stands in the message that the pointer or the focus is in.
const acts = el('div', 'acts');
acts.floats = true;
const answer = pressable('startThread', '', () => { const m = held(); if (m) openThread(m.ts); });
const more = pressable('moreActions', '', () => {
  const m = held();
  if (!m) return;
  const entries = [];
  if (!answer.hidden) entries.push({label: 'Reply in thread', does: () => openThread(m.ts)});
  entries.push({label: 'Copy text', does: () => copy(wordsOf(m), 'The text is copied.')});
  if (!isEphemeral(m)) entries.push({label: 'Copy link', does: () => copy(location.origin + '/archives/' + m.channel + '/p' + m.ts.replace('.', ''), 'The link is copied.')});
  const shortcuts = isEphemeral(m) ? [] : state.shortcuts || [];
  if (shortcuts.length) entries.push(null, ...shortcuts.map((o) => ({label: o.name, about: state.bot.name, does: () => deed('shortcut', {channel: m.channel, message_ts: m.ts, callback_id: o.callback_id})})));
  menu(more, entries, 'More actions');
});
answer.append(icon('talk'));
answer.title = 'Reply in thread';
answer.setAttribute('aria-label', 'Reply in thread');
more.append(icon('dots'));
more.title = 'More actions';
more.setAttribute('aria-label', 'More actions');
more.setAttribute('aria-haspopup', 'menu');
more.setAttribute('aria-expanded', 'false');
acts.append(answer, more);

// rest brings acts once the pointer rests: not to every message that scrolls by.
let resting = 0, under = null;
function rest(li, after) {
  clearTimeout(resting);
  under = li;
  resting = setTimeout(() => { resting = 0; hold(li); }, after);
}

function held() {
  const li = acts.closest('.message');
  return li && (state.messages[li.dataset.channel] || []).concat(state.ephemerals).find((m) => m.ts === li.dataset.ts);
}

function hold(li) {
  if (!li || !li.dataset.ts || acts.parentNode === li || acts.contains(document.activeElement)) return;
  answer.hidden = li.classList.contains('only') || !li.closest('#messages');
  li.append(acts);
}

function wordsOf(m) {
  if (!m.blocks || !m.blocks.length) return plainText(m.text);
  return [...document.querySelectorAll('[data-ts="' + m.ts + '"] .block:not(.actions)')].map((n) => n.innerText).join('\n');
}

async function copy(words, done) {
  try { await navigator.clipboard.writeText(words); toast(done); } catch (e) { notice('The browser does not let this page copy.'); }
}

function toast(words) {
  $('toast').textContent = words;
  $('toast').classList.add('shown');
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { $('toast').classList.remove('shown'); $('toast').textContent = ''; }, 2500);
}

for (const id of ['messages', 'replies']) {
  const list = $(id);
  list.addEventListener('pointerover', (e) => rest(e.target.closest('.message'), 60), {passive: true});
  list.addEventListener('scroll', () => { if (resting) rest(under, 200); }, {passive: true});
  list.addEventListener('focusin', (e) => hold(e.target.closest('.message')));
  // The arrows go from message to message; what is taller than the list scrolls.
  list.addEventListener('keydown', (e) => {
    const step = {ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling'}[e.key];
    if (!step || e.target !== list && !e.target.matches('.message')) return;
    let li = e.target === list ? list.lastElementChild : e.target[step];
    while (li && !li.matches('.message')) li = li[step];
    if (!li) return;
    const box = list.getBoundingClientRect(), at = e.target.getBoundingClientRect();
    if (e.target !== list && (e.key === 'ArrowDown' ? at.bottom > box.bottom + 4 : at.top < box.top - 4)) return;
    e.preventDefault();
    li.focus({preventScroll: true});
    li.scrollIntoView({block: 'nearest'});
  });
}

function openThread(ts) {
  if (innerWidth < 1620) closeDocks(); // there is room for one
  threadTS = ts;
  draw();
  toEnd($('replies'));
  $('replyText').focus();
}

function closeThread() {
  const was = threadTS;
  threadTS = '';
  draw();
  const back = document.querySelector('#messages [data-ts="' + was + '"] .replies') || document.querySelector('#messages [data-ts="' + was + '"]');
  (back || $('text')).focus({preventScroll: true});
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
      if (n) { if (n !== at) list.insertBefore(n, at); morph(n, fresh); } else { list.insertBefore(fresh, at); added = true; n = fresh; }
    } else if (n !== at) {
      list.insertBefore(n, at);
    }
    at = n.nextSibling;
  }
  for (const n of old.values()) n.remove();
  if (end) toEnd(list);
  return added && !end;
}

// versions number the messages: an update brings a new object.
const versions = new WeakMap();
let version = 0;
const versionOf = (m) => { if (!versions.has(m)) versions.set(m, ++version); return versions.get(m); };

const dayOf = (ts) => Math.floor((Number(ts) - new Date(Number(ts) * 1000).getTimezoneOffset() * 60) / 86400);

function items(messages, inThread) {
  let last = null;
  const out = [];
  for (const m of messages) {
    const day = dayOf(m.ts);
    if (!inThread && (!last || last.day !== day)) {
      out.push({key: 'day ' + day, sign: '', make: () => el('li', 'day', el('span', '', new Date(Number(m.ts) * 1000).toLocaleDateString([], {weekday: 'long', month: 'long', day: 'numeric'})))});
    }
    const only = isEphemeral(m);
    const short = (m.blocks || []).length < 2; // what is longer stands for itself
    const cont = short && !!last && last.day === day && last.user === m.user && last.only === only && Number(m.ts) - last.ts < 300;
    last = {day, user: m.user, only, ts: Number(m.ts)};
    const replies = inThread ? null : replied.get(m.ts);
    out.push({
      key: m.channel + m.ts, sign: [me, cont, replies ? replies.n : 0, versionOf(m)].join(), make: () => message(m, inThread, cont),
    });
  }
  return out;
}

// intro is how a channel begins.
function intro(c) {
  return {key: 'intro ' + c.id, sign: (c.purpose || '') + c.private, make: () => el('li', 'intro', isDirect(c.id) || c.id === 'direct' ? face('', true) : el('span', 'hash', c.private ? icon('lock') : '#'),
    el('h3', '', c.name), el('p', '', isDirect(c.id) || c.id === 'direct' ? 'What ' + state.bot.name + ' says to you alone is here.' : 'This is the very beginning of #' + c.name + '.' + (c.private ? ' Only its members see it.' : '') + (c.purpose ? ' ' + c.purpose : '')))};
}

const byTS = (a, b) => (a.ts < b.ts ? -1 : 1);

function go(id) {
  const at = '/archives/' + id;
  if (id !== channel && location.pathname !== at) history.pushState(null, '', at + location.search);
  show(id);
}

function show(id) {
  composed.set(channel, $('text').value);
  channel = id;
  threadTS = joining = '';
  $('text').value = composed.get(id) || '';
  side(false);
  draw();
  if (id === 'home') $('messages').scrollTop = 0; else toEnd($('messages'));
  const field = $('composer').hidden ? $('messages') : $('text');
  if (!document.activeElement || !document.activeElement.matches('[role=tab]')) field.focus();
}

addEventListener('popstate', () => {
  if (!state) return;
  const to = placeIn(location.pathname);
  if (to === channel) arrive();
  else if (isApp(to)) openApp(to);
  else { show(to); arrive(); }
});

// goTo shows a message, wherever it is.
function goTo(m) {
  if (innerWidth <= 1080) closeDocks(); // they would cover it
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
  side(false);
  if (id === me) return;
  me = id;
  kept.set('me', me);
  drafts.clear();
  unread.clear();
  threadTS = joining = '';
  if (isApp(channel)) { channel = 'home'; history.replaceState(null, '', '/archives/home' + location.search); }
  notice('');
  follow();
}

// write puts words into the message field.
function write(words) {
  if ($('composer').hidden) go(state.channels.find((c) => mayWrite(c) && !isDirect(c.id)).id);
  if (innerWidth <= 1080) closeDocks();
  $('text').value = words;
  grow($('text'));
  $('text').focus();
}

const isCard = (m) => m.metadata && m.metadata.event_type === 'failoverbot' && (m.metadata.event_payload || {}).kind === 'card';

// refocus brings the focus back to the message in which a button was pressed that
// is there no more, or else to where one writes.
let pressedIn = null;
function refocus() {
  if (![null, document.body].includes(document.activeElement) || $('modal').open || $('confirm').open) return;
  const to = pressedIn && pressedIn.isConnected && pressedIn.getClientRects().length ? pressedIn : $('composer').hidden ? $('messages') : $('text');
  to.focus({preventScroll: true});
}

function draw() {
  if (!state) return;
  const had = document.activeElement;
  redraw();
  if (had && had !== document.body && !had.isConnected) refocus();
}

function redraw() {
  const about = $('notice').dataset.about;
  if (isOver[about] && isOver[about]()) notice('');
  const asked = questions();
  const waited = (id) => asked.filter((q) => q.people.includes(id));
  const mine = waited(me);
  unread.delete(channel);
  drawSide(waited, mine);

  const direct = directOf();
  const c = channel === 'home' || channel === 'direct' ? {id: channel, name: state.bot.name} : state.channels.find((o) => o.id === channel);
  const app = isApp(channel);
  $('name').textContent = (app ? '' : '# ') + c.name;
  $('topic').textContent = app ? 'App' : c.topic || '';
  $('topic').title = c.topic || '';
  document.title = (mine.length ? '(' + mine.length + ') ' : '') + c.name + ' · Rehearsal Slack';
  drawLink();
  $('away').hidden = !state.away;
  drawShelf(c, app, mine);

  $('text').placeholder = 'Message ' + (app ? c.name : '#' + c.name) + (innerWidth > 500 ? ', or ' + state.command + ' …' : '');
  const writes = channel !== 'home' && channel !== 'direct' && mayWrite(c);
  $('composer').hidden = !writes;
  $('reply').hidden = !writes;
  const mute = app && channel !== 'home' && state.direct_read_only;
  $('closed').hidden = writes || app && !mute;
  if (mute) {
    $('closedWords').textContent = 'Sending messages to this app has been turned off. What ' + state.bot.name + ' says to you alone can be read here.';
    $('join').hidden = true;
  } else if (!writes && !app) {
    $('closedWords').textContent = c.archived ? 'This channel is archived. It can be read, and nothing can be said in it.' : 'You are not in this channel. You can read it.';
    $('join').hidden = !!c.archived;
  }

  const all = (state.messages[channel] || []).slice();
  const only = state.ephemerals.filter((m) => m.channel === channel);
  replied = new Map();
  for (const m of all) {
    if (!m.thread_ts || m.thread_ts === m.ts) continue;
    const r = replied.get(m.thread_ts) || {n: 0, last: ''};
    replied.set(m.thread_ts, {n: r.n + 1, last: m.ts > r.last ? m.ts : r.last});
  }
  pinnedCard(all);
  $('messages').classList.toggle('page', channel === 'home');
  if (channel === 'home') {
    fill($('messages'), home(), false);
  } else {
    const fresh = fill($('messages'), [intro(c)].concat(items(all.filter((m) => !m.thread_ts || m.broadcast).concat(only.filter((m) => !m.thread_ts)).sort(byTS), false)));
    if (fresh) $('newer').hidden = false;
  }
  if (channel === 'home' || atEnd($('messages'))) $('newer').hidden = true;
  drawWelcome();
  fill($('waits'), mine.map((q) => ({key: q.m.ts, sign: q.title, make: () => {
    const d = el('div', '', el('span', '', el('strong', '', 'Waits for you: '), q.title));
    d.append(pressable('b small', 'Show', () => goTo(q.m)));
    return d;
  }})));
  $('thread').hidden = !threadTS;
  if (threadTS) {
    const replies = all.filter((m) => m.ts === threadTS || m.thread_ts === threadTS).concat(only.filter((m) => m.thread_ts === threadTS)).sort(byTS);
    fill($('replies'), items(replies, true));
    $('threadWhere').textContent = app ? c.name : '# ' + c.name;
  }
  drawInfo();
}

// drawLink says whether the bot is there, as far as is known.
function drawLink() {
  const n = state.connections || 0, name = state.bot.name;
  $('link').textContent = silent ? 'The rehearsal does not answer' : state.away ? 'Slack is away' : n ? name + ' is connected' : name + ' is not connected';
  $('link').title = silent ? '' : n + (n === 1 ? ' connection' : ' connections') + ' by Socket Mode';
  $('link').className = n && !state.away && !silent ? 'up' : 'down';
}

function drawSide(waited, mine) {
  const others = state.people.filter((p) => p.id !== me && waited(p.id).length).map((p) => p.name);
  const awaited = mine.length ? 'you are asked' : others.length ? others.join(' and ') + (others.length > 1 ? ' are' : ' is') + ' asked' : '';
  $('menu').classList.toggle('waiting', !!awaited);
  $('menu').setAttribute('aria-label', 'Channels and people' + (awaited ? ': ' + awaited : ''));
  $('menu').title = awaited;
  fill($('who'), state.people.map((p) => {
    const n = waited(p.id).length;
    return {
      key: p.id, sign: [p.id === me, n, p.away].join(), make: () => {
        const b = pressable('person', '', () => become(p.id));
        b.append(face(p.name, false), el('span', 'personName', p.name, el('small', '', roles(p) + (p.away ? ' · away' : ''))));
        if (p.away) b.classList.add('absent');
        if (n) b.append(el('span', 'asked', 'asked'));
        b.setAttribute('aria-pressed', p.id === me);
        b.dataset.person = p.id;
        b.title = n ? state.bot.name + ' waits for ' + p.name : p.id === me ? 'You are ' + p.name : 'Be ' + p.name;
        return el('li', '', b);
      },
    };
  }));
  const entry = (c) => ({
    key: c.id, sign: [unread.get(c.id), c.id === channel, c.name, c.archived, c.private].join(), make: () => {
      const n = unread.get(c.id);
      const b = pressable((n ? 'unread' : '') + (c.archived ? ' archived' : ''), '', () => go(c.id));
      b.append(c.archived ? icon('box') : c.private ? icon('lock') : el('span', 'hash', '#'), el('span', 'placeName', c.name), c.archived ? el('small', '', 'archived') : '');
      if (n) b.append(el('span', 'count', String(n), el('span', 'unseen', ' new')));
      if (c.id === channel) b.setAttribute('aria-current', 'true');
      b.dataset.channel = c.id;
      return el('li', '', b);
    },
  });
  const open = state.channels.filter((c) => !isDirect(c.id));
  fill($('channels'), open.filter((c) => !c.archived).concat(open.filter((c) => c.archived)).map(entry));
  const direct = directOf(), n = direct ? unread.get(direct.id) || 0 : 0;
  fill($('direct'), [{key: 'app', sign: [isApp(channel), n, mine.length].join(), make: () => {
    const b = pressable(n ? 'unread' : '', '', () => openApp(n && !mine.length ? direct.id : 'home'));
    b.append(face('', true), el('span', 'placeName', state.bot.name));
    if (mine.length || n) b.append(el('span', 'count', String(mine.length + n), el('span', 'unseen', mine.length ? ' waiting for you' : ' new')));
    if (isApp(channel)) b.setAttribute('aria-current', 'true');
    return el('li', '', b);
  }}]);
}

function openApp(id) {
  if (id === 'home') deed('home', {});
  go(id);
}

// drawShelf is what stands under the title: the members, the pins and bookmarks
// of a channel, or the tabs of the app.
function drawShelf(c, app, mine) {
  const members = app ? [] : membersOf(c), pins = app ? [] : pinsOf(c.id), marks = (!app && c.bookmarks) || [];
  const people = $('membersButton');
  people.hidden = app;
  const shown = members.filter((id) => id !== state.bot.id).slice(0, 3);
  fill(people, shown.map((id) => ({key: id, sign: '', make: () => {
    const f = face((person(id) || {name: '?'}).name, false);
    f.setAttribute('aria-hidden', 'true');
    return f;
  }})).concat({key: 'n', sign: String(members.length), make: () => el('span', 'howMany', String(members.length), el('span', 'unseen', members.length === 1 ? ' member' : ' members'))}), false);
  people.title = 'Who is in this channel';
  $('pinsButton').hidden = !pins.length;
  $('pinsCount').textContent = pins.length;
  fill($('bookmarks'), marks.map((b) => ({key: b.id, sign: JSON.stringify(b), make: () => {
    const a = /^https?:/i.test(b.link) ? link(b.link, '') : document.createTextNode('');
    const at = a.href ? a : el('span', 'dead');
    const glyph = b.emoji ? emojiNamed(b.emoji.replace(/:/g, '')) : icon('link');
    if (glyph.setAttribute) { glyph.setAttribute('aria-hidden', 'true'); glyph.removeAttribute('aria-label'); glyph.removeAttribute('role'); }
    at.replaceChildren(glyph, el('span', '', b.title));
    at.title = b.link;
    return el('li', '', at);
  }})), false);
  $('bookmarks').hidden = !marks.length;
  $('appTabs').hidden = !app;
  $('shelf').hidden = !app && !marks.length;
  if (!app) return;
  const direct = directOf(), n = direct ? unread.get(direct.id) || 0 : 0;
  for (const [id, on, count] of [['homeTab', channel === 'home', mine.length], ['directTab', channel !== 'home', n]]) {
    $(id).setAttribute('aria-selected', on);
    $(id).tabIndex = on ? 0 : -1;
    const badge = $(id).querySelector('.count');
    badge.hidden = !count;
    badge.firstChild.data = count;
  }
}

// welcome tells a newcomer where to begin, until something has begun.
function drawWelcome() {
  const box = $('welcome');
  const show = tasks && tasks.tried && stage && !isApp(channel) && kept.get('welcome') !== 'gone' && !Object.values(state.messages).some((list) => list.some(isCard));
  box.hidden = !show;
  if (!show) return;
  const who = person(me), leads = (p) => /commander/.test(p.title || '');
  const first = state.people.find(leads), agree = state.people.filter((p) => p !== first && /approver/.test(p.title || ''));
  const sign = [me, JSON.stringify(tasks), JSON.stringify(stage)].join();
  if (box.dataset.sign === sign) return;
  box.dataset.sign = sign;
  const start = state.command + ' start ' + stage.target;
  const be = (p) => pressable('type', p.name, () => become(p.id));
  const either = agree.flatMap((p, i) => [i ? ' or ' : '', be(p)]);
  const shut = pressable('plain', '✕', () => { kept.set('welcome', 'gone'); draw(); $('text').focus(); });
  shut.setAttribute('aria-label', 'Dismiss this');
  const head = el('h3', '', 'Where to begin');
  head.id = 'welcomeName';
  const wrong = /^.*?[.!?](?=\s|$)/s.exec(stage.about) || [stage.about];
  const body = el('div', '', el('header', '', head, shut),
    el('p', 'wrong', el('strong', '', capital(stage.title) + '. '), wrong[0] + ' The mode that fits: ', el('strong', '', stage.mode), '.'), el('ol', '',
    el('li', '', el('strong', '', 'You are ' + who.name), who.title ? ', ' + roles(who) : '', leads(who) || !first ? '. ' : '. A commander begins: be ', ...(leads(who) || !first ? ['You can be anybody: choose in the list of people.'] : [be(first), '.'])),
    el('li', '', el('strong', '', 'Type '), pressable('type', start, () => write(start)), ', press Enter and fill in the form. Nothing changes before you say Go.'),
    el('li', '', el('strong', '', 'Then '), state.bot.name + ' checks what has to be ready, asks for Go, and moves the platform. Before the point of no return it asks an approver',
      ...(either.length ? [': be ', ...either, ' to answer. '] : ['. ']), 'Whoever it waits for is marked ', el('span', 'asked', 'asked'), '.')),
  el('details', '', el('summary', '', 'What to try: ' + doneOf(tasks)), checklist(tasks)),
  el('div', 'row', pressable('b small', 'Other scenarios', () => dock('practice', true)), pressable('b small', 'See the pretend world', () => dock('world', true))));
  body.id = 'welcomeBody';
  morph($('welcomeBody'), body);
}

function home() {
  const v = state.homes[0];
  if (!v) return [{key: 'no home', sign: '', make: () => el('li', 'hint empty', state.bot.name + ' has published nothing here for you.')}];
  return [{key: 'home', sign: v.id + v.hash, make: () => el('li', 'home', el('div', 'body', ...blocks(v.view.blocks, {view_id: v.id})))}];
}

// pinnedCard is what stands above the channel: the live card of the newest
// incident, or else what was pinned last.
function pinnedCard(all) {
  const pins = all.filter((m) => m.pinned);
  const m = all.filter(isCard).pop() || pins[pins.length - 1];
  const box = $('pinned');
  box.hidden = !m;
  if (!m) return;
  const sign = m.channel + m.ts + versionOf(m) + me;
  if (box.dataset.sign === sign) return;
  box.dataset.sign = sign;
  const summary = box.querySelector('summary');
  summary.textContent = (isCard(m) ? 'Live card: ' : 'Pinned: ') + plainText(m.text).replace(/^REHEARSAL · /, '');
  const fresh = el('div', '', ...(m.blocks && m.blocks.length ? blocks(m.blocks, {channel: m.channel, message_ts: m.ts}) : [el('div', 'text', mrkdwn(m.text))]));
  fresh.id = 'pinnedBody';
  fresh.append(pressable('plain toMessage', 'Show in the channel', () => goTo(m)));
  morph($('pinnedBody'), fresh);
}

// ---- the message field and its commands

let said = {as: '', at: 0, regions: [], lines: []}; // what the bot says may be said
let offered = [], chosen = -1, completing = $('text');

// learn asks the bot's own help what this person may say, what works now first.
async function learn() {
  if (said.as === me && Date.now() - said.at < 5000) return;
  said = {...said, as: me, at: Date.now()};
  try {
    const r = await fetch('/panel/help?as=' + encodeURIComponent(me));
    if (!r.ok) return; // the bot is not there; what it said before still helps
    const help = (await r.json()).text;
    said.lines = [...help.matchAll(/^'(\/\S+ [^']+)' (.*)$/gm)].map((m) => ({usage: m[1].split(' '), about: m[2]}));
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

// people offers whoever can be mentioned, for a word that begins with @, and the
// channels for one that begins with #. Sending it makes the mention.
function people(before) {
  const m = /(?:^|[\s(])([@#])([\p{L}\d._-]*)$/u.exec(before);
  if (!m) return [];
  const sign = m[1], begins = m[2].toLowerCase(), start = before.length - m[2].length - 1;
  const all = sign === '#' ? state.channels.filter((c) => !isDirect(c.id)).map((c) => ({name: c.name, about: c.topic || ''})) : state.people.map((p) => ({name: p.name, about: roles(p)})).concat({name: state.bot.name, about: 'the bot'}, (state.groups || []).map((g) => ({name: g.handle, about: g.name + ', ' + (g.users || []).length + ((g.users || []).length === 1 ? ' person' : ' people')})));
  const fit = all.filter((o) => o.name.toLowerCase().startsWith(begins));
  if (fit.some((o) => o.name === m[2])) return []; // it is there
  return fit.map((o) => ({start, text: sign + o.name + ' ', show: sign + o.name, about: o.about, first: true}));
}

function complete() {
  const field = completing, box = $('complete');
  const before = field.value.slice(0, field.selectionStart);
  offered = document.activeElement === field ? people(before) : [];
  if (!offered.length && field === $('text') && /^\/[^\n]*$/.test(field.value) && document.activeElement === field) offered = candidates(field.value);
  if (box.parentNode !== field.form) field.form.prepend(box);
  if (chosen < 0 && offered.length && offered[0].first) chosen = 0; // as in Slack, Enter takes it
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
  const o = offered[i], field = completing;
  chosen = -1;
  if (o && o.text) {
    if (o.start === undefined) field.value = o.text; else field.setRangeText(o.text, o.start, field.selectionStart, 'end');
  }
  grow(field);
  complete();
}

function hush() {
  offered = [];
  chosen = -1;
  $('complete').hidden = true;
  completing.removeAttribute('aria-activedescendant');
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
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing && !e.defaultPrevented && (chosen < 0 || completing !== $(field))) { e.preventDefault(); $(form).requestSubmit(); }
  });
}
for (const field of [$('text'), $('replyText')]) {
  field.addEventListener('input', () => {
    chosen = -1;
    completing = field;
    if (field === $('text') && field.value.startsWith('/')) learn();
    complete();
  });
  field.addEventListener('blur', hush);
  field.addEventListener('keydown', (e) => {
    if (!offered.length || completing !== field) return;
    const step = {ArrowDown: 1, ArrowUp: -1}[e.key];
    if (step) {
      e.preventDefault();
      chosen = (chosen + step + offered.length) % offered.length;
      complete();
    } else if (e.key === 'Tab' && !e.shiftKey && offered[Math.max(chosen, 0)].text) {
      e.preventDefault();
      take(Math.max(chosen, 0));
    } else if (e.key === 'Enter' && chosen >= 0 && !e.isComposing) {
      e.preventDefault();
      take(chosen);
    } else if (e.key === 'Escape') {
      e.preventDefault();
      e.stopPropagation();
      hush();
    }
  }, true);
}

// ---- around it

function side(open) {
  const was = document.body.classList.contains('sideOpen');
  if (open === was) return;
  document.body.classList.toggle('sideOpen', open);
  $('menu').setAttribute('aria-expanded', open);
  for (const behind of document.querySelectorAll('main, #thread, .dock, #skip')) behind.inert = open;
  const to = open ? $('who').querySelector('button') : $('menu');
  if (to) to.focus();
}
matchMedia('(max-width: 760px)').addEventListener('change', (e) => { if (!e.matches) side(false); }); // it is no drawer where there is room
document.addEventListener('click', (e) => { if (!e.target.closest('#side, #menu')) side(false); });

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

$('homeTab').addEventListener('click', () => openApp('home'));
$('directTab').addEventListener('click', () => openApp((directOf() || {id: 'direct'}).id));
$('appTabs').addEventListener('keydown', (e) => {
  if (e.key !== 'ArrowLeft' && e.key !== 'ArrowRight') return;
  const to = channel === 'home' ? $('directTab') : $('homeTab');
  to.focus();
  to.click();
});
$('join').addEventListener('click', () => { joining = channel; draw(); $('text').focus(); });
$('menu').addEventListener('click', () => side(!document.body.classList.contains('sideOpen')));
$('sideClose').addEventListener('click', () => side(false));
$('threadClose').addEventListener('click', closeThread);
$('newer').addEventListener('click', () => { toEnd($('messages')); $('newer').hidden = true; });
// Whoever reads the newest goes on doing so when the list becomes smaller.
for (const id of ['messages', 'replies']) {
  const list = $(id);
  let stays = true, size = '';
  const sized = () => list.clientWidth + ' ' + list.clientHeight;
  list.addEventListener('scroll', () => {
    if (size === sized()) stays = atEnd(list); // else the browser moved it, for there is less room
    if (stays && id === 'messages') $('newer').hidden = true;
  }, {passive: true});
  new ResizeObserver(() => { size = sized(); if (stays) toEnd(list); }).observe(list);
}
document.addEventListener('keydown', (e) => {
  if (e.key !== 'Escape' || $('modal').open || $('confirm').open || e.defaultPrevented) return;
  if (document.body.classList.contains('sideOpen')) side(false);
  else if (threadTS && !e.target.closest('.dock')) closeThread();
  else closeDocks();
});

me = new URLSearchParams(location.search).get('as') || kept.get('me');
follow();
watch();

$('pinsIcon').append(icon('pin'));
for (const name of Object.keys(docks)) {
  if ($(name + 'Button')) $(name + 'Button').addEventListener('click', () => dock(name, $(name).hidden));
  $(name + 'Close').addEventListener('click', closeDocks);
}
if (docks[kept.get('dock')]) dock(kept.get('dock'), true);
