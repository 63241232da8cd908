// What Slack makes of the text and the blocks of a message. Everything that
// anybody wrote reaches the document as text or as a checked link, never as
// markup. See page.js for the state that this reads.
'use strict';

const $ = (id) => document.getElementById(id);
const el = (tag, cls, ...kids) => {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  for (const k of kids) if (k !== null && k !== undefined) e.append(k); // strings become text nodes
  return e;
};
const pressable = (cls, label, does) => {
  const b = el('button', cls, label);
  b.type = 'button';
  if (does) b.onclick = does;
  return b;
};

// ---- text

const entities = {'&amp;': '&', '&lt;': '<', '&gt;': '>'};
const plainText = (s) => String(s).replace(/&(amp|lt|gt);/g, (m) => entities[m]);
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
  const day = (o, pretty) => (pretty && sameDay(d, 0)) ? 'today' : (pretty && sameDay(d, 1)) ? 'yesterday' : d.toLocaleDateString(undefined, o);
  const time = (o) => d.toLocaleTimeString(undefined, {hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...o});
  return format.replace(/\{(\w+)\}/g, (all, token) => {
    const pretty = token.endsWith('_pretty');
    switch (token) {
      case 'date_num': return [d.getFullYear(), d.getMonth() + 1, d.getDate()].map((n) => String(n).padStart(2, '0')).join('-');
      case 'date': case 'date_pretty': return day({month: 'long', day: 'numeric', year: 'numeric'}, pretty);
      case 'date_short': case 'date_short_pretty': return day({month: 'short', day: 'numeric', year: 'numeric'}, pretty);
      case 'date_long': case 'date_long_pretty': return day({weekday: 'long', month: 'long', day: 'numeric', year: 'numeric'}, pretty);
      case 'time': return time();
      case 'time_secs': return time({second: '2-digit'});
      case 'ago': return ago(d);
    }
    return all;
  });
}

function sameDay(d, back) {
  const then = new Date(now - back * 86400000);
  return d.toDateString() === then.toDateString();
}

function ago(d) {
  const s = Math.round((Math.max(d, now) - d) / 1000);
  return s < 90 ? s + ' seconds ago' : s < 5400 ? Math.round(s / 60) + ' minutes ago' : Math.round(s / 3600) + ' hours ago';
}

const mention = (name, mine) => el('span', 'mention' + (mine ? ' me' : ''), name);

// angle renders what stands between < and >.
function angle(inner) {
  let m;
  if ((m = /^@([^|]+)(\|.*)?$/.exec(inner))) {
    const p = person(m[1]);
    return mention('@' + (p ? p.name : m[1]), m[1] === me);
  }
  if ((m = /^#([^|]+)(?:\|(.*))?$/.exec(inner))) {
    const c = state.channels.find((o) => o.id === m[1]);
    return mention('#' + (c ? c.name : m[2] || m[1]));
  }
  if ((m = /^!date\^(\d+)\^([^^|]*)(?:\^([^|]*))?\|(.*)$/.exec(inner))) {
    const shown = date(m[1], plainText(m[2]), plainText(m[4]));
    const t = el('time', '', m[3] ? link(plainText(m[3]), shown) : shown);
    t.title = plainText(m[4]);
    return t;
  }
  if ((m = /^!(here|channel|everyone)(\|.*)?$/.exec(inner))) return mention('@' + m[1], true);
  if ((m = /^!subteam\^([^|]+)(?:\|(.*))?$/.exec(inner))) return mention(plainText(m[2] || m[1]));
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

// inline cuts text at the first of the patterns that fit and renders the rest.
function inline(text, patterns, rest) {
  const out = document.createDocumentFragment();
  while (text) {
    let best = null, make = null;
    for (const [re, f] of patterns) {
      const m = re.exec(text);
      if (m && (!best || m.index < best.index)) { best = m; make = f; }
    }
    if (!best) { out.append(rest(text)); break; }
    if (best.index) out.append(rest(text.slice(0, best.index)));
    out.append(make(best));
    text = text.slice(best.index + best[0].length);
  }
  return out;
}

const mrkdwn = (text) => inline(String(text), spans, plainText);

// text is a text object, as a block of its own or within a line.
function text(o, tag = 'div') {
  if (!o) return el('span');
  return el(tag, 'text', o.type === 'mrkdwn' ? mrkdwn(o.text) : o.text);
}

// ---- Markdown, of a markdown block or a file

const marks = [
  [/`([^`\n]+)`/, (m) => el('code', '', m[1])],
  [/\[([^\]\n]+)\]\(([^)\s]+)\)/, (m) => link(m[2], m[1])],
  [/\*\*(?!\s)([^\n]+?)(?<!\s)\*\*/, (m) => el('strong', '', mark(m[1]))],
  [/(?<![\w*])\*(?!\s)([^*\n]+?)(?<!\s)\*(?![\w*])/, (m) => el('em', '', mark(m[1]))],
  [/(?<![\w_])_(?!\s)([^_\n]+?)(?<!\s)_(?![\w_])/, (m) => el('em', '', mark(m[1]))],
  [/~~([^~\n]+)~~/, (m) => el('s', '', mark(m[1]))],
];
const mark = (text) => inline(text, marks, (t) => t.replace(/\\([\\`*_{}[\]()#+\-.!|~<>&])/g, '$1').replace(/<br ?\/?>/g, '\n'));
const cells = (line) => line.trim().replace(/^\||\|$/g, '').split('|').map((c) => c.trim());

function markdown(source) {
  const out = el('div', 'markdown');
  const lines = source.split('\n');
  let list = null, para = null;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    let m;
    if (/^\s*```/.test(line)) {
      const code = [];
      for (i++; i < lines.length && !/^\s*```/.test(lines[i]); i++) code.push(lines[i]);
      out.append(el('pre', '', code.join('\n')));
    } else if ((m = /^(#{1,6})\s+(.*)$/.exec(line))) {
      const h = el('div', 'h h' + Math.min(m[1].length, 4), mark(m[2]));
      h.setAttribute('role', 'heading');
      h.setAttribute('aria-level', Math.min(m[1].length + 2, 6));
      out.append(h);
    } else if (/^\s*\|/.test(line) && /^\s*\|?[\s:|-]+$/.test(lines[i + 1] || '')) {
      const t = el('table'), head = el('tr');
      for (const c of cells(line)) head.append(el('th', '', mark(c)));
      t.append(head);
      for (i += 2; i < lines.length && /^\s*\|/.test(lines[i]); i++) {
        const row = el('tr');
        for (const c of cells(lines[i])) row.append(el('td', '', mark(c)));
        t.append(row);
      }
      i--;
      out.append(el('div', 'wide', t));
    } else if ((m = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/.exec(line))) {
      const tag = m[1] ? 'OL' : 'UL';
      if (!list || list.tagName !== tag) { list = el(tag.toLowerCase()); out.append(list); }
      list.append(el('li', '', mark(m[2])));
      para = null;
      continue;
    } else if (/^\s*(---+|\*\*\*+)\s*$/.test(line)) {
      out.append(el('hr'));
    } else if ((m = /^>\s?(.*)$/.exec(line))) {
      out.append(el('blockquote', '', mark(m[1])));
    } else if (line.trim()) {
      if (list && /^\s/.test(line)) { list.lastChild.append(' ', mark(line.trim())); continue; }
      if (para) para.append(' ', mark(line)); else { para = el('p', '', mark(line)); out.append(para); }
      list = null;
      continue;
    }
    list = para = null;
  }
  return out;
}

// ---- rich text

function rich(node) {
  switch (node.type) {
    case 'text': {
      let t = document.createTextNode(node.text);
      const s = node.style || {};
      for (const [k, tag] of [['code', 'code'], ['bold', 'strong'], ['italic', 'em'], ['strike', 's']]) if (s[k]) t = el(tag, '', t);
      return t;
    }
    case 'link': return link(node.url, node.text);
    case 'user': { const p = person(node.user_id); return mention('@' + (p ? p.name : node.user_id), node.user_id === me); }
    case 'channel': { const c = state.channels.find((o) => o.id === node.channel_id); return mention('#' + (c ? c.name : node.channel_id)); }
    case 'broadcast': return mention('@' + node.range, true);
    case 'emoji': return document.createTextNode(':' + node.name + ':');
    case 'date': return document.createTextNode(date(node.timestamp, node.format, node.fallback || ''));
    case 'rich_text_preformatted': return el('pre', '', ...node.elements.map(rich));
    case 'rich_text_quote': return el('blockquote', '', ...node.elements.map(rich));
    case 'rich_text_list': return el(node.style === 'ordered' ? 'ol' : 'ul', '', ...node.elements.map((n) => el('li', '', rich(n))));
    case 'rich_text_section': case 'rich_text': return el('div', 'text rich', ...node.elements.map(rich));
  }
  return unknown(node);
}

// unknown is shown as it is, so that nothing is dropped.
function unknown(o) {
  const d = el('details', 'unknown', el('summary', '', 'A ' + (o && o.type || 'thing') + ' that this page cannot draw'), el('pre', '', JSON.stringify(o, null, 2)));
  d.open = true;
  return d;
}

// ---- blocks

function confirmFirst(c) {
  return new Promise((resolve) => {
    const d = $('confirm');
    const word = (o, or) => (o && o.text) || or;
    let answer = false;
    const yes = pressable('b ' + (c.style === 'danger' ? 'danger' : 'primary'), word(c.confirm, 'Yes'), () => { answer = true; d.close(); });
    const no = pressable('b', word(c.deny, 'Cancel'), () => d.close());
    d.onclose = () => resolve(answer);
    const name = el('h2', '', word(c.title, 'Are you sure?'));
    name.id = 'confirmName';
    d.replaceChildren(name, el('div', 'content', text(c.text)), el('div', 'foot', no, yes));
    d.showModal();
    no.focus();
  });
}

async function press(where, block, e, extra, control) {
  if (e.confirm && !(await confirmFirst(e.confirm))) return;
  notice('');
  if (control) { control.disabled = true; control.setAttribute('aria-busy', 'true'); }
  const out = await deed('press', {...where, block_id: block.block_id, action_id: e.action_id, value: e.value || '', confirmed: !!e.confirm, ...extra});
  if (control) { control.disabled = false; control.removeAttribute('aria-busy'); }
  if (out.ok && e.url) {
    const a = link(e.url, '');
    if (a.href) window.open(a.href, '_blank', 'noopener');
  }
}

const options = (e) => (e.options || []).concat(...(e.option_groups || []).map((g) => g.options));

// control is an interactive element outside a form.
function control(where, block, e) {
  if (e.type === 'button') {
    const b = pressable('b ' + (['primary', 'danger'].includes(e.style) ? e.style : ''), e.text.text);
    if (e.accessibility_label) b.setAttribute('aria-label', e.accessibility_label);
    b.dataset.action = e.action_id || '';
    b.onclick = () => press(where, block, e, {}, b);
    return b;
  }
  if (e.type === 'image') return image(e);
  const f = field(e, null);
  if (!f) return unknown(e);
  f.node.addEventListener('change', () => press(where, block, e, {value: e.type === 'overflow' ? f.read() : '', values: {[block.block_id]: {[e.action_id]: f.read()}}}, null));
  f.node.setAttribute('aria-label', (e.placeholder && e.placeholder.text) || (block.text && block.text.text) || e.action_id);
  return f.node;
}

function image(o) {
  // Pictures come from this address or not at all.
  const at = o.slack_file ? (o.slack_file.id ? '/files/' + encodeURIComponent(o.slack_file.id) : o.slack_file.url) : o.image_url;
  let u = null;
  try { u = new URL(at || '', location.href); } catch (e) { /* shown as text */ }
  if (!at || !u || u.origin !== location.origin) return link(at || '', o.alt_text || 'picture');
  const i = el('img');
  i.src = u.href;
  i.alt = o.alt_text || '';
  return i;
}

function block(b, where, faults, draft) {
  try {
    return drawBlock(b, where, faults, draft);
  } catch (e) { // a block that is not what it says it is
    return unknown(b);
  }
}

function drawBlock(b, where, faults, draft) {
  switch (b.type) {
    case 'header': return el('h3', 'block header', b.text.text);
    case 'divider': return el('hr');
    case 'section': {
      const left = el('div');
      if (b.text) left.append(text(b.text));
      if (b.fields) left.append(el('div', 'fields', ...b.fields.map((f) => text(f))));
      return el('div', 'block section', left, b.accessory ? control(where, b, b.accessory) : null);
    }
    case 'context': return el('div', 'block context', ...b.elements.map((e) => e.type === 'image' ? image(e) : text(e)));
    case 'actions': return el('div', 'block actions', ...b.elements.map((e) => control(where, b, e)));
    case 'image': {
      const figure = el('figure', 'block', b.title ? el('figcaption', '', b.title.text) : null, image(b));
      return figure;
    }
    case 'rich_text': return el('div', 'block rich', ...b.elements.map(rich));
    case 'markdown': return el('div', 'block', markdown(b.text));
    case 'input': return input(b, faults, draft);
  }
  return unknown(b);
}

// field makes an element for entering something; read gives what stands in it.
function field(e, value) {
  const given = (name) => value !== null && value !== undefined ? value : e[name];
  const choice = (o) => { const c = el('option', '', o.text.text); c.value = o.value; return c; };
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
    case 'static_select': case 'users_select': case 'external_select': {
      const n = el('select');
      const list = e.type === 'users_select' ? state.people.map((p) => ({text: {text: p.name}, value: p.id})) : options(e);
      const none = el('option', '', e.placeholder ? e.placeholder.text : 'Choose');
      none.value = '';
      n.append(none, ...list.map(choice));
      n.value = value !== null && value !== undefined ? value : (e.initial_user || optionValue(e.initial_option));
      return {node: n, read: () => n.value};
    }
    case 'multi_static_select': case 'multi_users_select': case 'checkboxes': case 'radio_buttons': {
      const one = e.type === 'radio_buttons';
      const users = e.type === 'multi_users_select';
      const list = users ? state.people.map((p) => ({text: {text: p.name}, value: p.id})) : options(e);
      const start = value !== null && value !== undefined ? [].concat(value) : one ? [optionValue(e.initial_option)] : users ? e.initial_users || [] : (e.initial_options || []).map(optionValue);
      const n = el('div', 'choices');
      n.setAttribute('role', one ? 'radiogroup' : 'group');
      const name = 'f' + Math.random();
      const boxes = list.map((o) => {
        const i = el('input');
        i.type = one ? 'radio' : 'checkbox';
        i.name = name;
        i.checked = start.includes(o.value);
        n.append(el('label', 'choice', i, ' ', text(o.text, 'span'), o.description ? el('span', 'hint', ' ', text(o.description, 'span')) : null));
        return [i, o.value];
      });
      const read = () => boxes.filter(([i]) => i.checked).map(([, v]) => v);
      return {node: n, read: one ? () => read()[0] || '' : read, group: true};
    }
    case 'overflow': {
      const n = el('select', 'overflow');
      n.append(el('option', '', '…'), ...e.options.map(choice));
      n.options[0].value = '';
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
  const label = el('label', 'label', b.label.text, b.optional ? el('small', '', ' (optional)') : null,
    b.element.type === 'datetimepicker' ? el('small', '', ' (UTC)') : null);
  const id = 'field-' + b.block_id;
  const box = el('div', 'input', label);
  if (!f) { box.append(unknown(b.element)); return box; }
  f.node.id = id;
  label.id = id + '-label';
  if (f.group) f.node.setAttribute('aria-labelledby', label.id); else label.htmlFor = id;
  box.append(f.node);
  const about = [];
  const say = (cls, words, name) => {
    const n = el('div', cls, words);
    n.id = id + name;
    about.push(n.id);
    box.append(n);
  };
  if (b.hint) say('hint', b.hint.text, '-hint');
  if (faults[b.block_id]) {
    say('fault', faults[b.block_id], '-fault');
    f.node.setAttribute('aria-invalid', 'true');
  }
  if (about.length) f.node.setAttribute('aria-describedby', about.join(' '));
  if (!b.optional) f.node.setAttribute('aria-required', 'true');
  draft.fields.push(() => { (draft.values[b.block_id] ||= {})[b.element.action_id] = f.read(); });
  if (b.dispatch_action) f.node.addEventListener('change', () => press(draft.where, b, b.element, {values: {[b.block_id]: {[b.element.action_id]: f.read()}}}, null));
  return box;
}
