// The page of the rehearsal Slack. Everything that anybody wrote reaches the
// document as text (textContent) or as a checked http link, never as markup.
'use strict';

const $ = (id) => document.getElementById(id);
const el = (tag, cls, ...kids) => {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  for (const k of kids) if (k !== null && k !== undefined) e.append(k); // strings become text nodes
  return e;
};

let me = '', channel = '', threadTS = '', state = null, poll = null, unread = new Set(), now = 0; // now is the rehearsal's, not this machine's
const drafts = new Map(); // view id -> what stands in its fields

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
    return {ok: false, error: 'gone'};
  }
}

function notice(text) {
  $('notice').textContent = text || '';
}

async function load() {
  if (poll) poll.abort();
  const mine = poll = new AbortController();
  const r = await fetch('/rehearsal/state?as=' + encodeURIComponent(me), {signal: mine.signal});
  state = await r.json();
  now = Date.parse(state.now);
  if (!me || !state.people.some((p) => p.id === me)) {
    me = state.people.length ? state.people[0].id : '';
    if (me) return load();
  }
  if (!state.channels.some((c) => c.id === channel)) channel = state.channels[0].id;
  draw();
  showTopView();
  listen(mine, state.seq);
}

async function listen(mine, after) {
  for (;;) {
    let batch;
    try {
      const r = await fetch('/rehearsal/events?as=' + encodeURIComponent(me) + '&after=' + after, {signal: mine.signal});
      batch = await r.json();
    } catch (e) {
      if (mine.signal.aborted) return;
      notice('The rehearsal Slack does not answer. Trying again.');
      await new Promise((ok) => setTimeout(ok, 2000));
      if (mine.signal.aborted) return;
      load().catch(() => listen(mine, after));
      return;
    }
    if (mine.signal.aborted) return;
    if (batch.lost) { load(); return; }
    after = batch.next;
    if (batch.events.length) {
      for (const e of batch.events) apply(e);
      draw();
      if (batch.events.some((e) => e.type === 'view' || e.type === 'view_closed')) showTopView();
    }
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
      if (e.type === 'post' && m.channel !== channel) unread.add(m.channel);
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
      break;
    case 'connections': state.connections = e.connections || 0; break;
  }
}

// ---- Slack's text

const entities = {'&amp;': '&', '&lt;': '<', '&gt;': '>'};
const plainText = (s) => s.replace(/&(amp|lt|gt);/g, (m) => entities[m]);
const person = (id) => state.people.find((p) => p.id === id) || (id === state.bot.id ? state.bot : null);

function link(url, label) {
  let u = null;
  try { u = new URL(url); } catch (e) { /* shown as text */ }
  if (!u || !['http:', 'https:', 'mailto:'].includes(u.protocol)) return document.createTextNode(label || url);
  const a = el('a', '', label || url);
  a.href = u.href;
  a.target = '_blank';
  a.rel = 'noopener noreferrer';
  return a;
}

function date(stamp, format, fallback) {
  const d = new Date(Number(stamp) * 1000);
  if (isNaN(d)) return fallback;
  const day = (o) => d.toLocaleDateString(undefined, o);
  const time = (o) => d.toLocaleTimeString(undefined, {hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...o});
  return format.replace(/\{(\w+)\}/g, (all, token) => {
    switch (token) {
      case 'date_num': return d.toISOString().slice(0, 10);
      case 'date': case 'date_pretty': return day({month: 'long', day: 'numeric', year: 'numeric'});
      case 'date_short': case 'date_short_pretty': return day({month: 'short', day: 'numeric', year: 'numeric'});
      case 'date_long': case 'date_long_pretty': return day({weekday: 'long', month: 'long', day: 'numeric', year: 'numeric'});
      case 'time': return time();
      case 'time_secs': return time({second: '2-digit'});
      case 'ago': return ago(d);
    }
    return all;
  });
}

function ago(d) {
  const s = Math.round((Math.max(d, now) - d) / 1000);
  return s < 90 ? s + ' seconds ago' : s < 5400 ? Math.round(s / 60) + ' minutes ago' : Math.round(s / 3600) + ' hours ago';
}

// angle renders what stands between < and >.
function angle(inner) {
  let m;
  if ((m = /^@([^|]+)(\|.*)?$/.exec(inner))) {
    const p = person(m[1]);
    return el('span', 'mention', '@' + (p ? p.name : m[1]));
  }
  if ((m = /^#([^|]+)(?:\|(.*))?$/.exec(inner))) {
    const c = state.channels.find((o) => o.id === m[1]);
    return el('span', 'mention', '#' + (c ? c.name : m[2] || m[1]));
  }
  if ((m = /^!date\^(\d+)\^([^^|]*)(?:\^([^|]*))?\|(.*)$/.exec(inner))) {
    const t = el('span', '', date(m[1], plainText(m[2]), plainText(m[4])));
    t.title = plainText(m[4]);
    return t;
  }
  if ((m = /^!(here|channel|everyone)(\|.*)?$/.exec(inner))) return el('span', 'mention', '@' + m[1]);
  if ((m = /^!subteam\^([^|]+)(?:\|(.*))?$/.exec(inner))) return el('span', 'mention', plainText(m[2] || m[1]));
  if (inner.startsWith('!')) return document.createTextNode(plainText(inner));
  const [url, label] = inner.split('|', 2);
  if (!/^(https?|mailto):/.test(url)) return document.createTextNode('<' + plainText(inner) + '>');
  return link(plainText(url), label === undefined ? undefined : plainText(label));
}

const spans = [
  [/```([\s\S]+?)```/, (m) => el('pre', '', plainText(m[1].replace(/^\n/, '').replace(/<([^<>|]*\|)?([^<>]*)>/g, '$2')))],
  [/`([^`\n]+)`/, (m) => el('code', '', plainText(m[1]))],
  [/<([^<>\n]+)>/, (m) => angle(m[1])],
  [/(?<![\w*])\*(?!\s)([^*\n]+?)(?<!\s)\*(?![\w*])/, (m) => el('strong', '', mrkdwn(m[1]))],
  [/(?<![\w_])_(?!\s)([^_\n]+?)(?<!\s)_(?![\w_])/, (m) => el('em', '', mrkdwn(m[1]))],
  [/(?<![\w~])~(?!\s)([^~\n]+?)(?<!\s)~(?![\w~])/, (m) => el('s', '', mrkdwn(m[1]))],
  [/^&gt; ?(.*)$/m, (m) => el('blockquote', '', mrkdwn(m[1]))],
];

function mrkdwn(text) {
  const out = document.createDocumentFragment();
  let rest = text;
  while (rest) {
    let best = null, make = null;
    for (const [re, f] of spans) {
      const m = re.exec(rest);
      if (m && (!best || m.index < best.index)) { best = m; make = f; }
    }
    if (!best) { out.append(plainText(rest)); break; }
    if (best.index) out.append(plainText(rest.slice(0, best.index)));
    out.append(make(best));
    rest = rest.slice(best.index + best[0].length);
  }
  return out;
}

function text(o) {
  if (!o) return el('span');
  return el('div', 'text', o.type === 'mrkdwn' ? mrkdwn(o.text) : o.text);
}

function rich(node) {
  switch (node.type) {
    case 'text': {
      let t = document.createTextNode(node.text);
      const s = node.style || {};
      for (const [k, tag] of [['code', 'code'], ['bold', 'strong'], ['italic', 'em'], ['strike', 's']]) if (s[k]) t = el(tag, '', t);
      return t;
    }
    case 'link': return link(node.url, node.text);
    case 'user': { const p = person(node.user_id); return el('span', 'mention', '@' + (p ? p.name : node.user_id)); }
    case 'emoji': return document.createTextNode(':' + node.name + ':');
    case 'date': return document.createTextNode(date(node.timestamp, node.format, node.fallback || ''));
    case 'rich_text_preformatted': return el('pre', '', ...node.elements.map(rich));
    case 'rich_text_quote': return el('blockquote', '', ...node.elements.map(rich));
    case 'rich_text_list': return el(node.style === 'ordered' ? 'ol' : 'ul', '', ...node.elements.map((n) => el('li', '', rich(n))));
    case 'rich_text_section': case 'rich_text': return el('div', 'text rich', ...node.elements.map(rich));
  }
  return document.createTextNode('');
}

// ---- blocks

function confirmFirst(c) {
  return new Promise((resolve) => {
    const d = $('confirm');
    const yes = el('button', 'b ' + (c.style === 'danger' ? 'danger' : 'primary'), c.confirm.text);
    const no = el('button', 'b', c.deny.text);
    let answer = false;
    yes.onclick = () => { answer = true; d.close(); };
    no.onclick = () => d.close();
    d.onclose = () => resolve(answer);
    d.replaceChildren(el('h2', '', c.title.text), el('div', 'content', text(c.text)), el('div', 'foot', no, yes));
    d.showModal();
  });
}

async function press(where, block, e, extra, control) {
  if (e.confirm && !(await confirmFirst(e.confirm))) return;
  notice('');
  if (control) control.disabled = true;
  const out = await deed('press', {...where, block_id: block.block_id, action_id: e.action_id, value: e.value || '', confirmed: !!e.confirm, ...extra});
  if (control) control.disabled = false;
  if (out.ok && e.url) {
    const a = link(e.url, '');
    if (a.href) window.open(a.href, '_blank', 'noopener');
  }
}

const options = (e) => (e.options || []).concat(...(e.option_groups || []).map((g) => g.options));

// control is an interactive element outside a form.
function control(where, block, e) {
  if (e.type === 'button') {
    const b = el('button', 'b ' + (['primary', 'danger'].includes(e.style) ? e.style : ''), e.text.text);
    b.type = 'button';
    b.onclick = () => press(where, block, e, {}, b);
    return b;
  }
  if (e.type === 'image') return image(e);
  const f = field(e, null);
  if (!f) return el('span', 'hint', '(' + e.type + ')');
  f.node.addEventListener('change', () => press(where, block, e, {value: '', values: {[block.block_id]: {[e.action_id]: f.read()}}}, null));
  return f.node;
}

function image(o) {
  // Pictures come from this address or not at all.
  const u = new URL(o.image_url || '', location.href);
  if (u.origin !== location.origin) return link(o.image_url, o.alt_text || 'picture');
  const i = el('img');
  i.src = u.href;
  i.alt = o.alt_text || '';
  return i;
}

function block(b, where, faults, draft) {
  switch (b.type) {
    case 'header': return el('div', 'block header', b.text.text);
    case 'divider': return el('hr');
    case 'section': {
      const left = el('div');
      if (b.text) left.append(text(b.text));
      if (b.fields) left.append(el('div', 'fields', ...b.fields.map(text)));
      return el('div', 'block section', left, b.accessory ? control(where, b, b.accessory) : null);
    }
    case 'context': return el('div', 'block context', ...b.elements.map((e) => e.type === 'image' ? image(e) : text(e)));
    case 'actions': return el('div', 'block actions', ...b.elements.map((e) => control(where, b, e)));
    case 'image': return el('div', 'block', b.title ? el('div', '', b.title.text) : null, image(b));
    case 'rich_text': return el('div', 'block rich', ...b.elements.map(rich));
    case 'markdown': return el('div', 'block text', b.text);
    case 'input': return input(b, faults, draft);
  }
  return el('div', 'block hint', '(' + b.type + ')');
}

// field makes an element for entering something; read gives what stands in it.
function field(e, value) {
  const given = (name) => value !== null && value !== undefined ? value : e[name];
  const choice = (one) => el('option', '', one.text.text);
  const optionValue = (o) => (o ? o.value : '');
  switch (e.type) {
    case 'plain_text_input': case 'number_input': case 'email_text_input': case 'url_text_input': case 'rich_text_input': {
      const n = e.multiline || e.type === 'rich_text_input' ? el('textarea') : el('input');
      if (n.tagName === 'INPUT') n.type = {number_input: 'number', email_text_input: 'email', url_text_input: 'url'}[e.type] || 'text';
      if (e.type === 'number_input' && e.is_decimal_allowed) n.step = 'any';
      if (e.placeholder) n.placeholder = e.placeholder.text;
      n.value = given('initial_value') || '';
      return {node: n, read: () => n.value};
    }
    case 'static_select': case 'users_select': {
      const n = el('select');
      const list = e.type === 'users_select' ? state.people.map((p) => ({text: {text: p.name}, value: p.id})) : options(e);
      const none = el('option', '', e.placeholder ? e.placeholder.text : 'Choose');
      none.value = '';
      n.append(none);
      for (const o of list) { const c = choice(o); c.value = o.value; n.append(c); }
      n.value = value !== null && value !== undefined ? value : (e.initial_user || optionValue(e.initial_option));
      return {node: n, read: () => n.value};
    }
    case 'multi_static_select': case 'checkboxes': case 'radio_buttons': {
      const one = e.type === 'radio_buttons';
      const start = value !== null && value !== undefined ? [].concat(value) : one ? [optionValue(e.initial_option)] : (e.initial_options || []).map(optionValue);
      const n = el('div');
      const name = 'f' + Math.random();
      const boxes = options(e).map((o) => {
        const i = el('input');
        i.type = one ? 'radio' : 'checkbox';
        i.name = name;
        i.checked = start.includes(o.value);
        n.append(el('label', 'choice', i, ' ' + o.text.text, o.description ? el('span', 'hint', ' ' + o.description.text) : null));
        return [i, o.value];
      });
      const read = () => boxes.filter(([i]) => i.checked).map(([, v]) => v);
      return {node: n, read: one ? () => read()[0] || '' : read};
    }
    case 'overflow': {
      const n = el('select');
      n.append(el('option', '', '...'));
      for (const o of e.options) { const c = choice(o); c.value = o.value; n.append(c); }
      return {node: n, read: () => n.value};
    }
    case 'datepicker': case 'timepicker': {
      const n = el('input');
      n.type = e.type === 'datepicker' ? 'date' : 'time';
      n.value = given(e.type === 'datepicker' ? 'initial_date' : 'initial_time') || '';
      return {node: n, read: () => n.value};
    }
    case 'datetimepicker': {
      const n = el('input');
      n.type = 'datetime-local'; // shown and read as UTC
      const at = given('initial_date_time');
      if (at) n.value = new Date(Number(at) * 1000).toISOString().slice(0, 16);
      return {node: n, read: () => n.value ? String(Math.floor(Date.parse(n.value + 'Z') / 1000)) : ''};
    }
  }
  return null;
}

function input(b, faults, draft) {
  const known = draft.values[b.block_id];
  const f = field(b.element, known ? known[b.element.action_id] : null);
  const label = el('label', '', b.label.text, b.optional ? el('small', '', ' (optional)') : null,
    b.element.type === 'datetimepicker' ? el('small', '', ' (UTC)') : null);
  const box = el('div', 'input', label);
  if (!f) { box.append(el('div', 'hint', '(' + b.element.type + ')')); return box; }
  f.node.id = 'field-' + b.block_id;
  label.htmlFor = f.node.id;
  box.append(f.node);
  if (b.hint) box.append(el('div', 'hint', b.hint.text));
  if (faults[b.block_id]) box.append(el('div', 'fault', faults[b.block_id]));
  draft.fields.push(() => { (draft.values[b.block_id] ||= {})[b.element.action_id] = f.read(); });
  return box;
}

// ---- windows

function showTopView(faults = {}) {
  const d = $('modal');
  const v = state.views[state.views.length - 1];
  if (!v) { if (d.open) d.close(); return; }
  let draft = drafts.get(v.id);
  if (draft && draft.shown) for (const keep of draft.fields) keep(); // what is in the fields survives an update
  draft = {values: draft ? draft.values : {}, fields: [], shown: true};
  drafts.set(v.id, draft);
  const where = {view_id: v.id};
  const body = v.view;
  const form = el('div', 'content', ...(body.blocks || []).map((b) => block(b, where, faults, draft)));
  if (faults['']) form.append(el('div', 'fault', faults['']));
  const cancel = el('button', 'b', body.close ? body.close.text : 'Cancel');
  cancel.type = 'button';
  cancel.onclick = () => deed('close', {view_id: v.id});
  const foot = el('div', 'foot', cancel);
  if (body.submit) {
    const send = el('button', 'b primary', body.submit.text);
    send.type = 'button';
    send.onclick = async () => {
      for (const keep of draft.fields) keep();
      send.disabled = true;
      const out = await deed('submit', {view_id: v.id, values: draft.values});
      send.disabled = false;
      if (!out.ok) showTopView(out.errors && Object.keys(out.errors).length ? out.errors : {'': out.reason || 'That did not work.'});
    };
    foot.append(send);
    form.addEventListener('keydown', (ev) => { if (ev.key === 'Enter' && ev.target.tagName === 'INPUT') { ev.preventDefault(); send.click(); } });
  }
  d.oncancel = (ev) => { ev.preventDefault(); cancel.click(); };
  d.replaceChildren(el('h2', '', body.title ? body.title.text : ''), form, foot);
  if (!d.open) d.showModal();
}

// ---- the channel

const clock = (ts) => new Date(Number(ts) * 1000).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', timeZone: 'UTC'}) + ' UTC';

function message(m, inThread) {
  const p = person(m.user) || {name: m.user === 'USLACKBOT' ? 'Slackbot' : m.user};
  const isBot = !!m.bot_id || m.user === 'USLACKBOT';
  const head = el('div', '', el('span', 'who', p.name), isBot ? el('span', 'badge', 'APP') : null,
    p.title ? el('span', 'role', p.title) : null, el('span', 'time', clock(m.ts)),
    m.edited ? el('span', 'mark', '(edited)') : null, m.pinned ? el('span', 'mark', 'pinned') : null);
  const body = el('div', 'body', head);
  const only = state.ephemerals.includes(m);
  if (only) body.prepend(el('div', 'onlyNote', 'Only visible to you'));
  if (m.blocks && m.blocks.length) {
    const where = {channel: m.channel, message_ts: m.ts};
    const draft = {values: {}, fields: []};
    body.append(...m.blocks.map((b) => block(b, where, {}, draft)));
  } else if (m.text) {
    body.append(el('div', 'text', mrkdwn(m.text)));
  }
  for (const f of m.files || []) {
    const a = el('a', 'file', f.title || f.name, el('small', '', ' ' + f.name + ', ' + f.size + ' bytes'));
    a.href = '/files/' + encodeURIComponent(f.id);
    a.target = '_blank';
    a.rel = 'noopener';
    body.append(a);
  }
  if (m.reactions) body.append(el('div', 'hint', m.reactions.map((r) => ':' + r + ':').join(' ')));
  if (!inThread && !only) {
    const n = (state.messages[m.channel] || []).filter((o) => o.thread_ts === m.ts).length;
    const open = el('button', 'replies' + (n ? '' : ' startThread'), n ? n + (n === 1 ? ' reply' : ' replies') : 'Reply in thread');
    open.type = 'button';
    open.onclick = () => { threadTS = m.ts; draw(); $('replyText').focus(); };
    body.append(open);
  }
  return el('li', 'message' + (only ? ' only' : ''), el('div', 'face' + (isBot ? ' bot' : ''), p.name.slice(0, 1).toUpperCase()), body);
}

// fill brings a list up to date and leaves alone what has not changed, so that a
// button is not taken from under the finger that presses it.
function fill(list, items) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const old = new Map([...list.children].map((n) => [n.dataset.key, n]));
  let at = list.firstChild;
  for (const {key, sign, make} of items) {
    let n = old.get(key);
    old.delete(key);
    if (!n || n.dataset.sign !== sign) {
      const fresh = make();
      fresh.dataset.key = key;
      fresh.dataset.sign = sign;
      if (n) { if (at === n) at = fresh; n.replaceWith(fresh); } else list.insertBefore(fresh, at);
      n = fresh;
    } else if (n !== at) {
      list.insertBefore(n, at);
    }
    at = n.nextSibling;
  }
  for (const n of old.values()) n.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function items(messages, inThread) {
  return messages.map((m) => {
    const replies = inThread ? 0 : (state.messages[m.channel] || []).filter((o) => o.thread_ts === m.ts).length;
    return {key: m.channel + m.ts, sign: me + replies + JSON.stringify(m), make: () => message(m, inThread)};
  });
}

const byTS = (a, b) => (a.ts < b.ts ? -1 : 1);

function draw() {
  const who = $('who');
  if (who.options.length !== state.people.length) {
    who.replaceChildren(...state.people.map((p) => {
      const o = el('option', '', p.name + (p.title ? ' (' + p.title + ')' : ''));
      o.value = p.id;
      return o;
    }));
  }
  who.value = me;
  unread.delete(channel);
  fill($('channels'), state.channels.map((c) => ({
    key: c.id, sign: [unread.has(c.id), c.id === channel].join(), make: () => {
      const b = el('button', unread.has(c.id) ? 'unread' : '', (c.id.startsWith('D') ? '' : '# ') + c.name);
      b.type = 'button';
      b.setAttribute('aria-current', c.id === channel);
      b.onclick = () => { channel = c.id; threadTS = ''; draw(); };
      return b;
    },
  })));
  const c = state.channels.find((o) => o.id === channel);
  $('title').textContent = (c.id.startsWith('D') ? '' : '# ') + c.name;
  const n = state.connections || 0;
  $('link').textContent = n ? state.bot.name + ' is connected (' + n + ')' : state.bot.name + ' is not connected';
  $('text').placeholder = 'Message, or ' + state.command + ' help';
  const all = state.messages[channel] || [];
  const mine = state.ephemerals.filter((m) => m.channel === channel);
  fill($('messages'), items(all.filter((m) => !m.thread_ts || m.broadcast).concat(mine.filter((m) => !m.thread_ts)).sort(byTS), false));
  $('thread').hidden = !threadTS;
  if (threadTS) {
    const replies = all.filter((m) => m.ts === threadTS || m.thread_ts === threadTS).concat(mine.filter((m) => m.thread_ts === threadTS)).sort(byTS);
    fill($('replies'), items(replies, true));
  }
}

async function send(field, more) {
  const words = field.value.trim();
  if (!words) return;
  notice('');
  const out = await deed(words.startsWith('/') ? 'command' : 'say', {channel, text: words, ...more});
  if (out.ok) field.value = '';
}

$('composer').addEventListener('submit', (e) => { e.preventDefault(); send($('text'), {}); });
$('reply').addEventListener('submit', (e) => { e.preventDefault(); send($('replyText'), {thread_ts: threadTS}); });
$('threadClose').addEventListener('click', () => { threadTS = ''; draw(); });
$('who').addEventListener('change', (e) => {
  me = e.target.value;
  try { sessionStorage.setItem('me', me); } catch (x) { /* private mode */ }
  drafts.clear();
  notice('');
  load();
});
const asked = new URLSearchParams(location.search).get('as');
try { me = asked || sessionStorage.getItem('me') || ''; } catch (x) { me = asked || ''; }
load().catch(() => notice('The rehearsal Slack does not answer. Is the rehearsal still running?'));
