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

// icons are drawn, so that they need no font and follow the colour of the text.
const shapes = {
  dots: 'M3.500 8h.01M8 8h.01M12.500 8h.01', talk: 'M3 3h10a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H7.500L4.500 13.500V11H3a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1z',
  pin: 'M5.500 2.500h5M6.500 2.500v4L4.500 9h7l-2-2.500v-4M8 9v4.500', send: 'M2.500 3l11 5-11 5 1.500-5zM4 8h4.500', box: 'M2 3h12v3H2zM3 6v7h10V6M6.500 8.500h3',
  people: 'M6 7.500a2.200 2.200 0 1 0 0-4.400 2.200 2.200 0 0 0 0 4.400zM2 13c0-2.200 1.800-3.500 4-3.500s4 1.300 4 3.500M10.500 3.500a2 2 0 0 1 0 3.800M11.500 9.700c1.500.4 2.500 1.500 2.500 3.300',
  lock: 'M4 7.500h8v6H4zM5.500 7.500V5.200a2.500 2.500 0 0 1 5 0v2.300', link: 'M7 9.500l2.500-3M6 6.500L4 8.600a2.300 2.300 0 0 0 3.300 3.200L9 10M7.500 5.500L9 4a2.300 2.300 0 0 1 3.200 3.300L10.500 9', tick: 'M3 8.500l3.200 3L13 4.500',
};
function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', shapes[name]);
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon is-' + name);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(path);
  return svg;
}

// menu shows a short list of things to do beside a button.
function menu(anchor, entries, label) {
  const box = $('menuList');
  (anchor.closest('dialog, section, main') || document.body).append(box); // a window makes inert what is outside of it
  box.setAttribute('aria-label', label);
  box.replaceChildren(...entries.map((o) => {
    if (!o) return el('hr');
    const b = pressable('', '', () => { box.hidePopover(); anchor.focus({preventScroll: true}); o.does(); });
    b.append(el('span', '', o.label), o.about ? el('small', '', o.about) : '');
    b.setAttribute('role', 'menuitem');
    b.tabIndex = -1;
    return b;
  }));
  box.anchor = anchor;
  anchor.setAttribute('aria-expanded', 'true');
  box.showPopover();
  const at = anchor.getBoundingClientRect(), size = box.getBoundingClientRect();
  const below = at.bottom + 4 + size.height < innerHeight;
  box.style.left = Math.max(8, Math.min(at.left, innerWidth - size.width - 8)) + 'px';
  box.style.top = Math.max(8, below ? at.bottom + 4 : at.top - size.height - 4) + 'px';
  box.querySelector('button').focus({preventScroll: true});
}
$('menuList').addEventListener('toggle', (e) => { if (e.newState === 'closed') $('menuList').anchor.setAttribute('aria-expanded', 'false'); });
$('menuList').addEventListener('keydown', (e) => {
  const all = [...$('menuList').querySelectorAll('button')], at = all.indexOf(document.activeElement);
  const next = {ArrowDown: (at + 1) % all.length, ArrowUp: (at - 1 + all.length) % all.length, Home: 0, End: all.length - 1}[e.key];
  if (next !== undefined) all[next].focus();
  else if (e.key === 'Escape' || e.key === 'Tab') { $('menuList').hidePopover(); $('menuList').anchor.focus({preventScroll: true}); } else return;
  if (e.key !== 'Tab') e.preventDefault();
  e.stopPropagation();
});

// ---- text

const entities = {'&amp;': '&', '&lt;': '<', '&gt;': '>'};
const plainText = (s) => String(s).replace(/&(amp|lt|gt);/g, (m) => entities[m]);
const group = (id) => (state.groups || []).find((g) => g.id === id);
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
      case 'date_long_full': return day({weekday: 'long', month: 'long', day: 'numeric', year: 'numeric'});
      case 'day_divider_pretty': return day({weekday: 'long', month: 'long', day: 'numeric'}, true);
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

function personMention(id) {
  const p = person(id);
  return mention('@' + (p ? p.name : id), id === me);
}

function groupMention(id, label) {
  const g = group(id);
  const m = mention('@' + (g ? g.handle : (label || id).replace(/^@/, '')), !!g && (g.users || []).includes(me));
  if (g) m.title = g.name + ': ' + (g.users || []).map((u) => (person(u) || {name: u}).name).join(', ');
  return m;
}

function channelMention(id, label) {
  const c = state.channels.find((o) => o.id === id);
  return mention('#' + (c ? c.name : label || id));
}

// emoji are the names that a bot about incidents is likely to use; any other name
// is shown as it is written.
const emoji = {};
for (const pair of ('white_check_mark✅ heavy_check_mark✔️ ballot_box_with_check☑️ x❌ warning⚠️ rotating_light🚨 fire🔥 boom💥 link🔗 book📖 books📚 memo📝 pencil📝 page_facing_up📄 ' +
  'clipboard📋 bar_chart📊 chart_with_upwards_trend📈 chart_with_downwards_trend📉 bell🔔 no_bell🔕 eyes👀 +1👍 thumbsup👍 -1👎 thumbsdown👎 tada🎉 rocket🚀 red_circle🔴 large_red_circle🔴 ' +
  'large_green_circle🟢 green_circle🟢 large_yellow_circle🟡 large_orange_circle🟠 large_blue_circle🔵 white_circle⚪ black_circle⚫ hourglass⌛ hourglass_flowing_sand⏳ stopwatch⏱️ alarm_clock⏰ ' +
  'lock🔒 unlock🔓 key🔑 globe_with_meridians🌐 earth_americas🌎 computer💻 floppy_disk💾 package📦 wrench🔧 hammer🔨 gear⚙️ construction🚧 octagonal_sign🛑 no_entry⛔ no_entry_sign🚫 question❓ ' +
  'exclamation❗ information_sourceℹ️ arrow_right➡️ arrow_left⬅️ arrow_up⬆️ arrow_down⬇️ back🔙 repeat🔁 arrows_counterclockwise🔄 double_vertical_bar⏸️ pause_button⏸️ arrow_forward▶️ pushpin📌 ' +
  'round_pushpin📍 bookmark🔖 phone☎️ telephone_receiver📞 email📧 speech_balloon💬 loudspeaker📢 mega📣 ambulance🚑 sos🆘 shield🛡️ bulb💡 mag🔍 calendar📆 bookmark_tabs📑 wave👋 raised_hands🙌 ' +
  'clap👏 pray🙏 smile😄 slightly_smiling_face🙂 thinking_face🤔 robot_face🤖 zap⚡ star⭐ heart❤️ point_right👉 100💯').split(' ')) {
  const [, name, glyph] = /^([+-]?[a-z0-9_]+)(.+)$/u.exec(pair);
  emoji[name] = glyph;
}
function emojiNamed(name, unicode) {
  const glyph = emoji[name] || (unicode ? String.fromCodePoint(...unicode.split('-').map((h) => parseInt(h, 16))) : '');
  if (!glyph) return document.createTextNode(':' + name + ':');
  const e = el('span', 'emoji', glyph);
  e.title = ':' + name + ':';
  e.setAttribute('role', 'img');
  e.setAttribute('aria-label', name.replace(/_/g, ' '));
  return e;
}
const emojiPattern = new RegExp(':(' + Object.keys(emoji).map((n) => n.replace('+', '\\+')).join('|') + '):');

// angle renders what stands between < and >.
function angle(inner) {
  let m;
  if ((m = /^@([^|]+)(\|.*)?$/.exec(inner))) return personMention(m[1]);
  if ((m = /^#([^|]+)(?:\|(.*))?$/.exec(inner))) return channelMention(m[1], m[2] && plainText(m[2]));
  if ((m = /^!date\^(\d+)\^([^^|]*)(?:\^([^|]*))?\|(.*)$/.exec(inner))) {
    const shown = date(m[1], plainText(m[2]), plainText(m[4]));
    const t = el('time', '', m[3] ? link(plainText(m[3]), shown) : shown);
    t.title = plainText(m[4]);
    return t;
  }
  if ((m = /^!(here|channel|everyone)(\|.*)?$/.exec(inner))) return mention('@' + m[1], true);
  if ((m = /^!subteam\^([^|]+)(?:\|(.*))?$/.exec(inner))) return groupMention(m[1], m[2] && plainText(m[2]));
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
  [/(?:^(?:&gt;|>) ?.*(?:\n|$))+/m, (m) => el('blockquote', '', mrkdwn(m[0].replace(/\n$/, '').replace(/^(?:&gt;|>) ?/gm, '')))],
  [emojiPattern, (m) => emojiNamed(m[1])],
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
  let list = null, para = null, level = 2;
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
      level = Math.min(m[1].length + 2, level + 1, 6); // none is left out for those who hear it
      h.setAttribute('aria-level', level);
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
    case 'text': case 'link': {
      let t = node.type === 'link' ? link(node.url, node.text) : document.createTextNode(node.text);
      const style = node.style || {};
      for (const [k, tag] of [['code', 'code'], ['bold', 'strong'], ['italic', 'em'], ['strike', 's'], ['underline', 'u']]) if (style[k]) t = el(tag, '', t);
      return t;
    }
    case 'user': return personMention(node.user_id);
    case 'usergroup': return groupMention(node.usergroup_id);
    case 'channel': return channelMention(node.channel_id);
    case 'team': return mention('@' + state.team);
    case 'broadcast': return mention('@' + node.range, true);
    case 'emoji': return emojiNamed(node.name, node.unicode);
    case 'color': return el('code', '', node.value);
    case 'date': {
      const shown = date(node.timestamp, node.format, node.fallback || '');
      const t = el('time', '', node.url ? link(node.url, shown) : shown);
      if (node.fallback) t.title = node.fallback;
      return t;
    }
    case 'rich_text_preformatted': return el('pre', '', ...node.elements.map(rich));
    case 'rich_text_quote': return el('blockquote', 'text', ...node.elements.map(rich));
    case 'rich_text_list': {
      const list = el(node.style === 'ordered' ? 'ol' : 'ul', 'indent' + Math.min(node.indent || 0, 8) + (node.border ? ' bordered' : ''), ...node.elements.map((n) => el('li', '', rich(n))));
      if (node.style === 'ordered' && node.offset) list.start = node.offset + 1;
      return list;
    }
    case 'rich_text_section': case 'rich_text': return el('div', 'text', ...node.elements.map(rich));
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
  busy(control, true);
  const out = await deed('press', {...where, block_id: block.block_id, action_id: e.action_id, value: e.value || '', confirmed: !!e.confirm, ...extra});
  busy(control, false);
  if (out.ok && e.url) visit(e.url);
}

// visit opens a link that a button carries.
function visit(url) {
  const a = link(url, '');
  if (a.href) window.open(a.href, '_blank', 'noopener');
}

// busy shows that a press is on its way; morph leaves such a control alone.
function busy(control, is) {
  if (!control) return;
  if (is) {
    control.focused = control.contains(document.activeElement);
    pressedIn = control.closest('.message');
  }
  control.pressed = is;
  if ('disabled' in control) control.disabled = is;
  for (const i of control.querySelectorAll('input')) i.disabled = is;
  if (is) control.setAttribute('aria-busy', 'true'); else control.removeAttribute('aria-busy');
  if (is || !control.focused) return;
  if (!control.isConnected) refocus();
  else if ([document.body, control].includes(document.activeElement)) control.focus({preventScroll: true});
}

const options = (e) => (e.options || []).concat(...(e.option_groups || []).map((g) => g.options));

// control is an interactive element outside a form. What it does hangs on its
// on... properties and asks the event for the element, so that morph can carry it
// over to the element that is already there.
function control(where, block, e) {
  switch (e.type) {
    case 'button': case 'workflow_button': {
      const b = pressable('b ' + (['primary', 'danger'].includes(e.style) ? e.style : ''), e.text.text, (ev) => press(where, block, e, {}, ev.currentTarget));
      if (e.accessibility_label) b.setAttribute('aria-label', e.accessibility_label);
      b.dataset.action = e.action_id || '';
      return b;
    }
    case 'overflow': {
      const b = pressable('b overflow', '', (ev) => {
        const anchor = ev.currentTarget;
        menu(anchor, e.options.map((o) => ({label: o.text.text, about: o.description ? o.description.text : '', does: async () => {
          await press(where, block, e, {value: o.value}, anchor);
          if (o.url) visit(o.url);
        }})), 'More');
      });
      b.append(icon('dots'));
      b.setAttribute('aria-label', 'More');
      b.setAttribute('aria-haspopup', 'menu');
      b.setAttribute('aria-expanded', 'false');
      return b;
    }
    case 'image': return image(e);
  }
  const f = field(e, null);
  if (!f) return unknown(e);
  f.node.onchange = (ev) => press(where, block, e, {value: '', values: {[block.block_id]: {[e.action_id]: f.read(ev.currentTarget)}}}, ev.currentTarget);
  f.node.setAttribute('aria-label', (e.placeholder && e.placeholder.text) || (block.text && plainText(block.text.text)) || e.action_id);
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

// blocks draws the blocks of a message or a window. Each is known by what can be
// done in it, so that an update finds it again although others came before it.
function blocks(list, where, faults = {}, draft = {values: {}, fields: [], where}) {
  const seen = new Map();
  return (list || []).map((b) => {
    const n = block(b, where, faults, draft);
    const inside = [b && b.accessory, b && b.element].concat((b && Array.isArray(b.elements) && b.elements) || []).map((e) => (e && e.action_id) || '').filter(Boolean).join(' ');
    const name = (b && b.type) + ' ' + inside, times = (seen.get(name) || 0) + 1;
    seen.set(name, times);
    n.dataset.key = name + ' ' + times;
    return n;
  });
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
      return el('div', 'block section' + (b.accessory && ['radio_buttons', 'checkboxes'].includes(b.accessory.type) ? ' tall' : ''), left, b.accessory ? control(where, b, b.accessory) : null);
    }
    case 'context': return el('div', 'block context', ...b.elements.map((e) => e.type === 'image' ? image(e) : text(e)));
    case 'actions': return el('div', 'block actions', ...b.elements.map((e) => control(where, b, e)));
    case 'image': {
      const figure = el('figure', 'block', b.title ? el('figcaption', '', b.title.text) : null, image(b));
      return figure;
    }
    case 'rich_text': return el('div', 'block rich', ...b.elements.map(rich));
    case 'table': {
      const row = (cells, tag) => el('tr', '', ...cells.map((c) => el(tag, '', c.type === 'rich_text' ? rich(c) : c.text)));
      const [head, ...rest] = b.rows;
      return el('div', 'block markdown', el('div', 'wide', el('table', '', row(head, 'th'), ...rest.map((r) => row(r, 'td')))));
    }
    case 'video': {
      const box = el('div', 'block video', el('strong', '', link(b.title_url || b.video_url, b.title.text)));
      if (b.description) box.append(text(b.description));
      box.append(el('div', 'hint', [b.author_name, b.provider_name, 'video, opened elsewhere'].filter(Boolean).join(' · ')));
      return box;
    }
    case 'markdown': return el('div', 'block', markdown(b.text));
    case 'input': return input(b, faults, draft);
  }
  return unknown(b);
}

// field makes an element for entering something; read gives what stands in it.
// begins is what morph compares: what a person chose stays until the bot says
// something else.
function field(e, value) {
  const given = (name) => value !== null && value !== undefined ? value : e[name];
  const choice = (o) => { const c = el('option', '', plainText(o.text.text)); c.value = o.value; return c; };
  const optionValue = (o) => (o ? o.value : '');
  const named = (list) => list.map((o) => ({text: {text: o.show || o.name}, value: o.id}));
  const places = () => named(state.channels.filter((c) => !c.archived && !isDirect(c.id)).map((c) => ({id: c.id, show: '#' + c.name})));
  const [, several, what] = /^(multi_)?(static|external|users|channels|conversations)_select$/.exec(e.type) || [];
  const list = what === 'users' ? named(state.people) : what === 'channels' || what === 'conversations' ? places() : options(e);
  if (what && !several) {
    const n = el('select');
    const none = el('option', '', e.placeholder ? e.placeholder.text : 'Choose');
    none.value = '';
    n.append(none);
    if (e.option_groups) {
      for (const g of e.option_groups) { const box = el('optgroup', '', ...g.options.map(choice)); box.label = g.label.text; n.append(box); }
    } else {
      n.append(...list.map(choice));
    }
    n.value = value !== null && value !== undefined ? value : (e.initial_user || e.initial_channel || e.initial_conversation || optionValue(e.initial_option));
    n.begins = n.value;
    return {node: n, read: (at) => at.value};
  }
  if (what || e.type === 'checkboxes' || e.type === 'radio_buttons') {
    const one = e.type === 'radio_buttons';
    const start = value !== null && value !== undefined ? [].concat(value)
      : one ? [optionValue(e.initial_option)] : e.initial_users || e.initial_channels || e.initial_conversations || (e.initial_options || []).map(optionValue);
    const n = el('div', 'choices' + (what && list.length > 6 ? ' many' : ''));
    n.setAttribute('role', one ? 'radiogroup' : 'group');
    const name = 'f' + Math.random();
    for (const o of list) {
      const i = el('input');
      i.type = one ? 'radio' : 'checkbox';
      i.name = name;
      i.value = o.value;
      i.checked = i.begins = start.includes(o.value);
      n.append(el('label', 'choice', i, el('span', '', text(o.text, 'span'), o.description ? el('small', '', text(o.description, 'span')) : null)));
    }
    if (!list.length) n.append(el('span', 'hint', 'There is nothing to choose.'));
    const read = (at) => [...at.querySelectorAll('input:checked')].map((i) => i.value);
    return {node: n, read: one ? (at) => read(at)[0] || '' : read, group: true};
  }
  const entry = (n) => { n.begins = n.value; return {node: n, read: (at) => at.value}; };
  switch (e.type) {
    case 'plain_text_input': case 'number_input': case 'email_text_input': case 'url_text_input': case 'rich_text_input': {
      const n = e.multiline || e.type === 'rich_text_input' ? el('textarea') : el('input');
      if (n.tagName === 'INPUT') n.type = {number_input: 'number', email_text_input: 'email', url_text_input: 'url'}[e.type] || 'text';
      if (e.type === 'number_input' && e.is_decimal_allowed) n.step = 'any';
      if (e.max_length) n.maxLength = e.max_length;
      if (e.placeholder) n.placeholder = e.placeholder.text;
      const start = given('initial_value');
      n.value = typeof start === 'string' || typeof start === 'number' ? start : '';
      return entry(n);
    }
    case 'datepicker': case 'timepicker': {
      const n = el('input');
      n.type = e.type === 'datepicker' ? 'date' : 'time';
      n.value = given(e.type === 'datepicker' ? 'initial_date' : 'initial_time') || '';
      return entry(n);
    }
    case 'datetimepicker': {
      const n = el('input');
      n.type = 'datetime-local'; // shown and read as UTC
      const at = given('initial_date_time');
      if (at) n.value = new Date(Number(at) * 1000).toISOString().slice(0, 16);
      return {...entry(n), read: (o) => o.value ? String(Math.floor(Date.parse(o.value + 'Z') / 1000)) : ''};
    }
    case 'file_input': {
      const n = el('input');
      n.type = 'file';
      n.disabled = true;
      n.title = 'The rehearsal takes no files from people.';
      return {node: n, read: () => []};
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
  if (!b.optional && f.node.getAttribute('role') !== 'group') f.node.setAttribute('aria-required', 'true');
  draft.fields.push(() => { (draft.values[b.block_id] ||= {})[b.element.action_id] = f.read(f.node); });
  if (b.dispatch_action) f.node.addEventListener('change', () => press(draft.where, b, b.element, {values: {[b.block_id]: {[b.element.action_id]: f.read(f.node)}}}, null));
  return box;
}
