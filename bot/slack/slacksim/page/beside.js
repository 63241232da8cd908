// What stands beside the channel: practice, the pretend world and its breakages,
// the inspector of what went over the wire, and who and what a channel holds.
'use strict';

const docks = {
  practice: {every: 1500, draw: drawPractice}, world: {every: 1000, draw: drawWorld}, wire: {every: 1000, draw: drawWire}, info: {every: 0, draw: drawInfo},
};

function dock(name, open) {
  for (const other of Object.keys(docks)) {
    const is = open && other === name;
    $(other).hidden = !is;
    if ($(other + 'Button')) $(other + 'Button').setAttribute('aria-expanded', is);
    clearTimeout(docks[other].timer);
    docks[other].timer = 0;
  }
  kept.set('dock', open && name !== 'info' ? name : '');
  if (open) docks[name].opened = true;
  drawInfo();
  if (open) tick(name);
}

// closeDocks leaves the focus where it is, unless that goes away with the dock.
function closeDocks() {
  for (const name of Object.keys(docks)) {
    if ($(name).hidden) continue;
    const within = $(name).contains(document.activeElement);
    dock(name, false);
    if (within) ($(name + 'Button') || $(infoTab + 'Button')).focus();
  }
}

// refreshDock draws the open panel, which may have been opened before there was
// anything to draw it with.
function refreshDock() {
  const name = Object.keys(docks).find((n) => !$(n).hidden);
  if (name && docks[name].every) tick(name);
}

async function tick(name) {
  if (!state) return; // once there is one, load comes here
  const d = docks[name];
  clearTimeout(d.timer);
  d.timer = -1;
  try { await d.draw(); } catch (e) { /* asked again in a moment */ }
  if (!$(name).hidden && d.timer === -1 && d.every) d.timer = setTimeout(() => tick(name), d.every);
}

async function ask(path, body) {
  const r = await fetch(path, body ? {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)} : {});
  const out = await r.json();
  if (body) notice(out.error || '');
  return out;
}

// askPractice asks what was tried, for every place that shows it.
async function askPractice() {
  const p = await ask('/panel/practice');
  if (p.error) return p;
  tasks = p;
  drawWelcome();
  return p;
}

// morph makes one tree like another and keeps the nodes, so that the focus, what
// is being pressed and what somebody chose stay where they are.
function morph(old, next) {
  if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName) { old.replaceWith(next); return; }
  if (old.nodeType === Node.TEXT_NODE) { if (old.data !== next.data) old.data = next.data; return; }
  if (old.dataset.keep && old.dataset.keep === next.dataset.keep) return;
  const own = (name) => name === 'open' && old.nodeName === 'DETAILS' || old.pressed && (name === 'disabled' || name === 'aria-busy');
  for (const {name} of [...old.attributes]) if (!next.hasAttribute(name) && !own(name)) old.removeAttribute(name);
  for (const {name, value} of next.attributes) if (old.getAttribute(name) !== value && !own(name)) old.setAttribute(name, value);
  for (const does of ['onclick', 'onchange']) old[does] = next[does];
  morphKids(old, next);
  if ('begins' in next && old.begins !== next.begins) {
    if (next.type === 'checkbox' || next.type === 'radio') old.checked = next.checked; else old.value = next.value;
    old.begins = next.begins;
  }
}

// morphKids pairs what has the same key, and the rest in order by kind.
function morphKids(old, next) {
  const had = document.activeElement;
  const kids = [...old.childNodes].filter((n) => !n.floats);
  const keyOf = (n) => (n.nodeType === Node.ELEMENT_NODE && n.dataset.key) || '';
  const free = new Set(kids);
  const pairs = [...next.childNodes].map((fresh) => {
    for (const o of free) {
      if (o.nodeName === fresh.nodeName && keyOf(o) === keyOf(fresh)) { free.delete(o); return [o, fresh]; }
    }
    return [null, fresh];
  });
  for (const o of free) o.remove();
  let at = [...old.childNodes].find((n) => !n.floats) || old.firstChild;
  for (const [o, fresh] of pairs) {
    if (!o) { old.insertBefore(fresh, at); continue; }
    if (o === at) at = at.nextSibling; else old.insertBefore(o, at);
    morph(o, fresh);
  }
  if (had !== document.activeElement && had && old.contains(had)) had.focus({preventScroll: true}); // it was moved
}

// ---- the world

const breaks = (label, does, what, on, cls = 'b small') => {
  const b = el('button', cls, label);
  b.type = 'button';
  b.setAttribute('data-do', does);
  if (what) b.setAttribute('data-what', what);
  b.setAttribute('data-on', on);
  return b;
};

// mark is a word with a shape, so that colour is never alone.
const pill = (kind, words) => el('span', 'pill ' + kind, ({good: '✓ ', bad: '✕ ', warn: '! ', idle: '· '})[kind] + words);

function bar(service) {
  const most = Math.max(service.needed, service.wanted, service.ready, 1);
  const b = el('span', 'dots');
  b.setAttribute('aria-hidden', 'true');
  for (let i = 0; i < most; i++) b.append(el('i', i < service.ready ? 'on' : i < service.wanted ? 'wait' : ''));
  return b;
}

function regionCard(w, r) {
  const serves = r.share > 0;
  const health = r.lost ? pill('bad', 'lost') : r.degraded ? pill('warn', 'half works') : r.cut_off ? pill('warn', 'the bot cannot reach it') : pill('good', 'up');
  const card = el('section', 'region' + (r.lost ? ' lost' : '') + (serves ? ' serves' : ''));
  card.append(el('header', '', el('h3', '', r.name), el('span', 'hint', r.home ? 'home' : 'standby'), health));
  card.dataset.key = r.name;
  const meter = el('meter');
  meter.min = 0; meter.max = 100; meter.value = r.share;
  meter.setAttribute('value', r.share);
  meter.setAttribute('min', 0);
  meter.setAttribute('max', 100);
  meter.setAttribute('aria-label', 'Share of the requests that land in ' + r.name);
  card.append(el('div', 'land', meter, el('span', '', r.share + ' % of requests land here')));
  if (serves) {
    card.append(el('p', 'fate ' + (r.broken ? 'bad' : r.degraded ? 'warn' : 'good'), r.broken ? 'Orders fail: ' + r.broken : r.degraded ? r.degraded : 'Orders are written.'));
  } else {
    card.append(el('p', 'fate', r.broken ? 'It could not take orders: ' + r.broken : 'It could take orders.'));
  }
  const table = el('table', 'services');
  const caption = el('caption', '', 'Ready / asked for / needed');
  table.append(caption);
  for (const s of r.services) {
    const name = el('th', '', s.name.replace(/-service$/, ''));
    name.setAttribute('scope', 'row');
    table.append(el('tr', '', name, el('td', '', bar(s)), el('td', 'num' + (s.ready < s.needed ? ' short' : ''), s.ready + ' / ' + s.wanted + ' / ' + s.needed)));
  }
  card.append(table);
  const facts = el('dl');
  const fact = (k, ...v) => facts.append(el('dt', '', k), el('dd', '', ...v));
  fact('Cluster', r.nodes_ready + ' of ' + r.nodes + ' nodes, ' + r.pods + ' pods' + (r.pods_pending ? ', ' + r.pods_pending + ' pending' : ''));
  fact('Database', pill(w.writer === r.name && !r.lost ? 'good' : 'idle', r.db_state));
  fact('Cache', pill(w.cache === r.name && !r.lost ? 'good' : 'idle', r.cache_state));
  card.append(facts);
  card.append(el('div', 'row', r.lost ? breaks('Restore it', 'lose', r.name, false) : breaks('Lose it', 'lose', r.name, true, 'b small break'),
    r.degraded ? breaks('Make it well', 'degrade', r.name, false) : breaks('Make it ill', 'degrade', r.name, true)));
  return card;
}

function span(seconds) {
  const s = Math.round(seconds);
  return s < 90 ? s + ' s' : Math.floor(s / 60) + ' min ' + s % 60 + ' s';
}

// ---- practice

// commanded shows a command among words as something that can be pressed.
function commanded(words) {
  const at = words.indexOf(state.command + ' ');
  if (at < 0) return [words];
  const line = /^\S+(?: [a-z0-9-]+){1,2}/.exec(words.slice(at));
  if (!line) return [words];
  const b = pressable('type', line[0], () => write(line[0]));
  b.title = 'Put it into the message field';
  return [words.slice(0, at), b, words.slice(at + line[0].length)];
}

function checklist(p) {
  const list = el('ul', 'tried');
  for (const t of p.tried) list.append(el('li', t.done ? 'done' : '', el('span', 'box', t.done ? icon('tick') : ''), el('span', '', ...commanded(t.what), t.done ? el('span', 'unseen', ' (done)') : '')));
  return list;
}

const doneOf = (p) => p.tried.filter((t) => t.done).length + ' of ' + p.tried.length;
const closed = (r) => ['resolved', 'closed, not restored'].includes(r.phase);
const ended = (r) => closed(r) || ['mitigated', 'aborted', 'taken back'].includes(r.phase);
const asExpected = (r) => r.mitigated && r.phase === 'resolved' && !(r.differs || []).length;
const aim = (r) => r.incident + (r.target ? ' to ' + r.target : '');
const another = (p) => p.open && p.open.incident !== p.result.incident; // is under way since

// untilService is how long users were without; an older result only knows when it was verified.
const untilService = (r) => r.served || r.total;
const inAll = (r) => (r.mitigated ? [el('strong', '', span(untilService(r))), ' until service was back'] : ['Service was not restored: stopped after ', el('strong', '', span(r.total))]);

// result is how the newest went that came to an end, beside earlier runs and the
// runbook's own expectation.
function result(p) {
  const r = p.result;
  const all = el('section', 'result' + (asExpected(r) ? ' good' : ''), el('h3', '', 'How it went'), el('p', 'hint', aim(r)), another(p) ? el('p', 'hint', 'Under way now: ' + aim(p.open)) : null);
  const minutes = Math.round(untilService(r)) / 60;
  all.append(el('p', 'total', ...inAll(r)));
  if (r.mitigated) all.append(el('p', 'hint', 'The runbook expects 15-30 min: ' + (minutes < 15 ? 'this was less.' : minutes <= 30 ? 'this was as expected.' : 'this was more.')));
  const table = el('table');
  const runs = [r].concat(p.before || []);
  const heads = [''].concat(runs.map((x, i) => (!i ? 'this run' : !ended(x) ? 'broken off' : (i > 1 ? i : 'one') + ' before')));
  const head = el('tr');
  for (const h of heads) { // a word to a line: four of them fit
    const th = el(h ? 'th' : 'td', '', ...h.split(/(?<= )/).flatMap((word, i) => (i ? [el('br'), word] : [word])));
    if (h) th.setAttribute('scope', 'col');
    head.append(th);
  }
  table.append(head);
  const rows = [['Until Go', (x) => (x.decide ? span(x.decide) : '-')], ['Until service', (x) => (x.mitigated ? span(untilService(x)) : '-')], ['Until verified', (x) => (x.mitigated ? span(x.total) : '-')],
    ['Machine', (x) => span(x.machine)], ['People', (x) => span(x.people)],
    ['Overridden', (x) => String((x.overridden || []).length + (x.skipped || []).length + (x.broke_glass || 0))]];
  if (runs.some((x) => x.target !== r.target)) rows.unshift(['To', (x) => x.target || '-']);
  for (const [name, of] of rows) {
    const th = el('th', '', name);
    th.setAttribute('scope', 'row');
    table.append(el('tr', '', th, ...runs.map((x) => el('td', '', of(x)))));
  }
  all.append(el('div', 'wide', table));
  const against = [].concat((r.overridden || []).map((t) => 'Gate overridden: ' + t), (r.skipped || []).map((t) => 'Gone on without: ' + t),
    r.broke_glass ? ['Approved alone, with broken glass: ' + r.broke_glass] : [], r.unanswered ? ['Questions nobody answered in time: ' + r.unanswered] : [], (r.differs || []).map((t) => 'Not as the scenario expects: ' + t));
  if (against.length) { const ul = el('ul', 'against'); for (const a of against) ul.append(el('li', '', a)); all.append(ul); }
  all.append(verdict(r));
  return all;
}

function verdict(r) {
  if (!closed(r)) return el('p', 'fate', r.mitigated ? 'Service is back. ' : r.phase === 'taken back' ? 'What was changed is taken back. ' : 'It was aborted. ', ...commanded('It is closed with ' + state.command + ' resolve'), '.');
  if (asExpected(r)) return el('p', 'fate good', '✓ Resolved' + (r.checked ? ', with the world as the scenario expects it.' : '.'));
  return el('p', 'fate bad', (r.phase === 'resolved' ? '✕ Resolved' + (r.mitigated ? '' : ' without service') : '✕ Closed, not restored') + ((r.differs || []).length ? ', and the world was not as the scenario expects it.' : '.'));
}

// capital begins with a capital what is not the name of a Region.
const capital = (s) => (/^[a-z]+-[a-z]+-\d/.test(s) ? s : s.slice(0, 1).toUpperCase() + s.slice(1));

let picked = {fault: '', at: ''}; // a scenario that was asked for and refused

function story(o, stage, again) {
  const box = el('article', 'story', el('h4', '', capital(o.title)), el('p', '', o.about));
  box.dataset.key = again ? 'this' : o.name;
  if (stage.scenario && !stage.fixed) {
    box.append(pressable('b small', again ? 'Start over' : 'Rehearse this', () => raise(o.name, o.title)));
    box.lastChild.setAttribute('aria-label', (again ? 'Start over: ' : 'Rehearse this: ') + o.title);
  } else if (!again) {
    box.append(el('code', '', 'failoverbot rehearse --scenario ' + o.name));
  }
  if (picked.fault && picked.at === o.name) { const f = el('p', 'fault', picked.fault); f.setAttribute('role', 'alert'); box.append(f); }
  return box;
}

// raise ends this rehearsal and begins another one at the same address.
async function raise(name, title) {
  const p = await ask('/panel/practice').catch(() => null);
  if (p && p.open && !(await confirmFirst({title: {text: 'End this rehearsal?'}, text: {type: 'plain_text', text: 'This ends the rehearsal that is going on. ' + p.open.incident + ' stands at “' + p.open.phase + '” and is not closed.'},
    confirm: {text: 'End it'}, deny: {text: 'Go on with it'}, style: 'danger'}))) return;
  picked = {fault: '', at: name};
  if (innerWidth <= 1080) dock('practice', false); // it would cover what is said of it
  raising('“' + capital(title) + '” is being raised: a new world, a new Slack, a new bot. A moment.');
  const out = await ask('/panel/stage', {do: 'scenario', scenario: name}).catch(() => ({})); // it may end before it has answered
  if (out.error) {
    picked.fault = out.error;
    raising('');
    notice(''); // it is said where the button is
    dock('practice', true);
    await drawPractice();
    const said = document.querySelector('.story .fault');
    if (said) said.scrollIntoView({block: 'nearest'});
  }
}

let seenResult = ''; // the one that the panel was last opened with

async function drawPractice() {
  const [s, p] = await Promise.all([ask('/panel/stage'), askPractice()]);
  if (p.error || s.error) return;
  const body = el('div');
  if (p.result) body.append(result(p));
  body.append(el('section', 'todo', el('h3', '', 'What to try: ' + doneOf(p)), checklist(p)));
  body.append(el('section', '', el('h3', '', 'Now rehearsed'), story({name: s.scenario, title: s.title, about: s.about}, s, true)));
  if (p.others.length) {
    body.append(el('section', '', el('h3', '', 'Other scenarios'), s.scenario && !s.fixed ? null : el('p', 'hint', s.fixed || 'Each is started in a terminal.'), ...p.others.map((o) => story(o, s, false))));
  }
  body.id = 'practiceBody';
  morph($('practiceBody'), body);
  const fresh = p.result ? p.result.incident + p.result.phase : '';
  if (!docks.practice.opened) return;
  docks.practice.opened = false;
  if (fresh && fresh !== seenResult) $('practiceBody').scrollTop = 0;
  seenResult = fresh;
}

// ---- the stage

const speeds = ['0.5', '1', '2', '4', '10', '30', '60'];

async function drawWorld() {
  const [w, s, p] = await Promise.all([ask('/panel/world'), ask('/panel/stage'), askPractice()]);
  if (w.error || s.error) return;
  const body = el('div');
  if (!p.error && p.result) {
    body.append(el('section', 'result' + (asExpected(p.result) ? ' good' : ''), el('div', 'row', el('span', '', another(p) ? aim(p.result) + ': ' : '', ...inAll(p.result)), pressable('b small', 'How it went', () => dock('practice', true))), verdict(p.result)));
  }
  body.append(el('details', 'about', el('summary', '', capital(w.title)), el('p', '', w.about)));
  if (!p.error) body.append(el('details', 'practice about', el('summary', '', 'What to try: ' + doneOf(p)), checklist(p)));

  const stage = el('section', 'stage');
  const clock = el('time', 'clock', w.time.slice(11, 19) + ' UTC');
  clock.title = 'Pretend time';
  const speed = el('select');
  speed.id = 'speed';
  speed.setAttribute('aria-label', 'Speed of pretend time');
  for (const v of speeds.includes(s.speed) ? speeds : speeds.concat(s.speed)) {
    const o = el('option', '', v === 'max' ? 'max' : v + '×');
    o.setAttribute('value', v);
    if (v === s.speed) o.setAttribute('selected', '');
    speed.append(o);
  }
  speed.value = speed.begins = s.speed;
  stage.append(el('div', 'row', clock, speed));
  if (s.speed_fixed) {
    const why = el('p', 'hint', capital(s.speed_fixed) + '.');
    why.id = 'speedFixed';
    speed.disabled = true;
    speed.setAttribute('aria-describedby', why.id);
    stage.append(why);
  }
  const bot = {up: pill('good', 'the bot runs'), down: pill('bad', 'the bot is dead'), elsewhere: pill('idle', 'the bot is a process of its own')}[s.bot];
  stage.append(el('div', 'row', bot, s.bot === 'up' ? breaks('Kill the bot', 'kill', '', true, 'b small break') : s.bot === 'down' ? breaks('Start the bot', 'start', '', true, 'b small primary') : ''));
  if (s.why) stage.append(el('p', 'fault', s.why));
  stage.append(el('div', 'row', s.away ? pill('bad', 'Slack is away') : pill('good', 'Slack answers'), s.away ? breaks('Bring Slack back', 'back', '', true, 'b small primary') : breaks('Take Slack away', 'away', '', true, 'b small break')));
  body.append(stage);

  body.append(el('div', 'regions', ...w.regions.map((r) => regionCard(w, r))));
  const between = el('section', 'between', el('h3', '', 'Between them'));
  between.append(el('div', 'row', w.stopped ? pill('bad', 'database replication stopped') : !w.replicates ? pill('warn', 'the database does not replicate now') : pill('good', 'database replicates, about ' + Math.round(w.lag_ms) + ' ms behind'),
    w.stopped ? breaks('Resume', 'replication', '', false) : breaks('Stop', 'replication', '', true)));
  between.append(el('p', 'hint', w.moving || 'Nothing is being moved.'));
  body.append(between);

  const dns = el('section', 'dns', el('h3', '', 'Where ' + w.name + ' leads'));
  const table = el('table');
  table.append(el('tr', '', el('th', '', 'The zone itself'), el('td', '', '→ ' + w.zone), el('td')));
  for (const r of w.resolvers) {
    const wrong = r.region !== w.zone;
    const how = r.held ? (wrong ? ' (lies)' : ' (always)') : wrong ? ' (cached)' : '';
    table.append(el('tr', '', el('th', '', r.name), el('td', wrong ? 'short' : '', '→ ' + r.region + how),
      el('td', '', breaks(r.held ? 'Tell the truth' : 'Make it lie', 'resolver', r.name, !r.held))));
  }
  for (const th of table.querySelectorAll('th')) th.setAttribute('scope', 'row');
  dns.append(table, el('h3', '', 'Health checks'));
  for (const c of w.checks) {
    const flags = [c.disabled ? 'disabled' : '', c.inverted ? 'inverted' : ''].filter(Boolean).join(', ');
    dns.append(el('div', 'row check', c.healthy ? pill('good', 'healthy') : pill('bad', 'unhealthy'), el('span', '', el('code', '', c.id), flags ? el('strong', '', ' ' + flags) : '', el('small', '', c.about))));
  }
  body.append(dns);

  const apis = el('section', '', el('h3', '', 'APIs'));
  for (const t of w.throttled) apis.append(el('div', 'row', t.on ? pill('bad', t.name + ' throttles') : pill('good', t.name), breaks(t.on ? 'Let calls through' : 'Throttle', 'throttle', t.name, !t.on)));
  body.append(apis);
  body.id = 'worldBody';
  morph($('worldBody'), body);
}

$('worldBody').addEventListener('click', async (e) => {
  const b = e.target.closest('button[data-do]');
  if (!b) return;
  const {do: does, what, on} = b.dataset;
  const path = ['kill', 'start', 'away', 'back'].includes(does) ? '/panel/stage' : '/panel/world';
  const had = document.activeElement === b;
  b.disabled = true;
  await ask(path, {do: does, what, on: on === 'true'}).catch(() => notice('The rehearsal does not answer.'));
  b.disabled = false;
  if (had && b.isConnected && [document.body, b].includes(document.activeElement)) b.focus({preventScroll: true});
  tick('world');
});
$('worldBody').addEventListener('change', async (e) => {
  if (e.target.id !== 'speed') return;
  const v = e.target.value;
  await ask('/panel/stage', {do: 'speed', speed: v}).catch(() => notice('The rehearsal does not answer.'));
  tick('world');
});

// ---- the inspector

let wireAfter = 0, wireLines = [];

function forgetWire() {
  wireAfter = 0;
  wireLines = [];
  showWire();
}

async function drawWire() {
  const out = await ask('/rehearsal/trace?after=' + wireAfter);
  if (out.lines.length && out.lines[0].seq <= wireAfter) wireLines = []; // another life of the workspace
  for (const l of out.lines) wireLines.unshift(l);
  if (out.lines.length) wireAfter = out.lines[out.lines.length - 1].seq;
  wireLines.length = Math.min(wireLines.length, 1000);
  showWire();
}

function words(l) {
  if (l.kind === 'api') return [l.status === 200 && !l.error ? '→ ok' : '→ ' + (l.error || l.status), l.method, ''];
  const w = l.wire;
  return [w.event, [w.type, w.kind, w.command, (w.action_ids || []).join(' '), w.callback_id].filter(Boolean).join(' · ') || w.connection || '', [w.user, w.envelope_id ? w.envelope_id.slice(0, 6) : '', w.attempt ? 'attempt ' + (w.attempt + 1) : '', w.reason].filter(Boolean).join(' · ')];
}

function showWire() {
  const want = $('wireFilter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const fit = wireLines.filter((l) => { const t = JSON.stringify(l).toLowerCase(); return want.every((x) => t.includes(x)); }).slice(0, 300);
  const none = wireLines.length ? 'None of the ' + wireLines.length + ' lines holds “' + want.join(' ') + '”.' : 'Nothing has gone over the wire yet.';
  fill($('wireLines'), fit.length ? fit.map((l) => ({key: String(l.seq), sign: '', make: () => wireLine(l)})) : [{key: 'none', sign: none, make: () => el('li', 'hint empty', none)}], false);
}

function wireLine(l) {
  const [event, what, more] = words(l);
  const bad = l.kind === 'api' ? !!l.error : ['gave_up', 'resent', 'ack_dropped', 'disconnected'].includes(l.wire.event);
  const took = l.kind === 'api' ? l.wall_ms : l.wire.wall_ms;
  const d = el('details', 'wireLine' + (bad ? ' bad' : ''));
  d.append(el('summary', '', el('time', '', l.time.slice(11, 23)), el('b', '', l.kind === 'api' ? 'call' : 'socket'), el('span', 'event', event), el('span', 'what', what),
    el('span', 'hint', more), took === undefined ? null : el('span', 'took', took.toFixed(1) + ' ms')));
  d.addEventListener('toggle', () => {
    if (d.open && d.children.length === 1) d.append(el('pre', '', JSON.stringify(l, opened, 2)));
  });
  return el('li', '', d);
}

// opened shows what is JSON within JSON as JSON.
function opened(key, value) {
  if (typeof value !== 'string' || !/^[[{]/.test(value)) return value;
  try { return JSON.parse(value); } catch (e) { return value; }
}

$('wireFilter').addEventListener('input', showWire);

// ---- who is in a channel, and what is pinned in it

let infoTab = 'members';

function info(tab) {
  const shut = !$('info').hidden && infoTab === tab;
  infoTab = tab;
  dock('info', !shut);
  if (!shut) $(tab + 'Tab').focus();
}

const pinsOf = (id) => (state.messages[id] || []).filter((m) => m.pinned);

function drawInfo() {
  const open = !$('info').hidden;
  for (const tab of ['members', 'pins']) {
    $(tab + 'Button').setAttribute('aria-expanded', open && infoTab === tab);
    $(tab + 'Tab').setAttribute('aria-selected', infoTab === tab);
    $(tab + 'Tab').tabIndex = infoTab === tab ? 0 : -1;
    $(tab).hidden = infoTab !== tab;
  }
  if (!open || !state) return;
  const c = state.channels.find((o) => o.id === channel);
  if (!c || isDirect(c.id)) { dock('info', false); return; }
  const pins = pinsOf(c.id);
  $('infoName').textContent = '# ' + c.name;
  $('membersTab').textContent = 'Members ' + membersOf(c).length;
  $('pinsTab').textContent = 'Pinned ' + pins.length;
  fill($('memberList'), membersOf(c).map((id) => ({key: id, sign: [id === me, (person(id) || {}).away].join(), make: () => {
    const p = person(id) || {name: id}, bot = id === state.bot.id;
    const li = el('li', 'member', face(p.name, bot), el('span', 'personName', el('strong', '', p.name), bot ? el('span', 'badge', 'APP') : null, id === me ? el('small', '', ' you') : null, el('small', 'below', bot ? 'the bot of this workspace' : roles(p) + (p.away ? ' · away' : ''))));
    if (id === me) li.append(pressable('b small', p.away ? 'Be active' : 'Be away', () => deed('presence', {value: p.away ? 'auto' : 'away'})));
    return li;
  }})), false);
  fill($('pinList'), pins.length ? pins.slice().reverse().map((m) => ({key: m.ts, sign: String(versionOf(m)) + me, make: () => {
    const where = {channel: m.channel, message_ts: m.ts};
    const li = el('li', 'pin', el('div', 'head', el('span', 'name', (person(m.user) || {name: m.user}).name), el('time', 'time', viewerTime(m.ts))),
      ...(m.blocks && m.blocks.length ? blocks(m.blocks, where) : [el('div', 'text', mrkdwn(m.text))]));
    li.append(pressable('b small', 'Show in the channel', () => goTo(m)));
    return li;
  }})) : [{key: 'none', sign: '', make: () => el('li', 'hint', 'Nothing is pinned here.')}], false);
}

for (const tab of ['members', 'pins']) {
  $(tab + 'Button').addEventListener('click', () => info(tab));
  $(tab + 'Tab').addEventListener('click', () => { infoTab = tab; drawInfo(); });
  $(tab + 'Tab').addEventListener('keydown', (e) => {
    if (e.key !== 'ArrowLeft' && e.key !== 'ArrowRight') return;
    infoTab = tab === 'members' ? 'pins' : 'members';
    drawInfo();
    $(infoTab + 'Tab').focus();
  });
}
