// What stands beside the channel: the pretend world and its breakages, and the
// inspector of what went over the wire.
'use strict';

const docks = {world: {every: 1000, draw: drawWorld}, wire: {every: 1000, draw: drawWire}};

function dock(name, open) {
  for (const other of Object.keys(docks)) {
    const is = open && other === name;
    $(other).hidden = !is;
    $(other + 'Button').setAttribute('aria-expanded', is);
    clearTimeout(docks[other].timer);
    docks[other].timer = 0;
  }
  kept.set('dock', open ? name : '');
  if (open) tick(name);
}

function closeDocks() {
  for (const name of Object.keys(docks)) {
    if ($(name).hidden) continue;
    dock(name, false);
    $(name + 'Button').focus();
  }
}

async function tick(name) {
  const d = docks[name];
  clearTimeout(d.timer);
  d.timer = -1;
  try { await d.draw(); } catch (e) { /* asked again in a moment */ }
  if (!$(name).hidden && d.timer === -1) d.timer = setTimeout(() => tick(name), d.every);
}


async function ask(path, body) {
  const r = await fetch(path, body ? {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)} : {});
  const out = await r.json();
  if (body) notice(out.error || '');
  return out;
}

// morph makes one tree like another and keeps the nodes, so that the focus and
// what is being pressed stay where they are.
function morph(old, next) {
  if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName) { old.replaceWith(next); return; }
  if (old.nodeType === Node.TEXT_NODE) { if (old.data !== next.data) old.data = next.data; return; }
  for (const {name} of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const {name, value} of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.nodeName === 'SELECT' && old === document.activeElement) return;
  const fresh = [...next.childNodes];
  while (old.childNodes.length > fresh.length) old.lastChild.remove();
  fresh.forEach((n, i) => { if (old.childNodes[i]) morph(old.childNodes[i], n); else old.append(n); });
  if (old.nodeName === 'SELECT') old.value = next.value;
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
  const caption = el('caption', '', 'Replicas ready / asked for / needed');
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
  card.append(el('div', 'row', r.lost ? breaks('Restore it', 'lose', r.name, false) : breaks('Lose it', 'lose', r.name, true, 'b small danger'),
    r.degraded ? breaks('Make it well', 'degrade', r.name, false) : breaks('Make it ill', 'degrade', r.name, true)));
  return card;
}

const span = (s) => (s < 90 ? Math.round(s) + ' s' : Math.floor(s / 60) + ' min ' + Math.round(s % 60) + ' s');

// practice is what to try, and how it went once service is restored.
function practice(p) {
  const done = p.tried.filter((t) => t.done).length;
  const box = el('details', 'practice', el('summary', '', 'What to try: ' + done + ' of ' + p.tried.length));
  if (document.querySelector('#worldBody .practice[open]')) box.setAttribute('open', '');
  const list = el('ul');
  for (const t of p.tried) list.append(el('li', t.done ? 'done' : '', (t.done ? '✓ ' : '· ') + t.what));
  box.append(list);
  const others = el('details', 'practice others', el('summary', '', 'Other scenarios'));
  if (document.querySelector('#worldBody .others[open]')) others.setAttribute('open', '');
  const stories = el('dl');
  for (const o of p.others) stories.append(el('dt', '', o.title), el('dd', '', el('p', 'hint', o.about), el('code', '', 'failoverbot rehearse --scenario ' + o.name)));
  others.append(stories);
  box.append(others);
  const r = p.result;
  if (!r || !['mitigated', 'resolved'].includes(r.phase)) return box;
  const all = el('section', 'result', el('h3', '', 'How it went'));
  const table = el('table');
  const heads = ['', 'now'].concat((p.before || []).map((b, i) => (i ? i + 1 : 'one') + ' before'));
  const head = el('tr');
  for (const h of heads) { const th = el(h ? 'th' : 'td', '', h); if (h) th.setAttribute('scope', 'col'); head.append(th); }
  table.append(head);
  const runs = [r].concat(p.before || []);
  for (const [name, of] of [['Until Go', (x) => span(x.decide)], ['People', (x) => span(x.people)], ['Machine', (x) => span(x.machine)], ['Until service', (x) => span(x.total)],
    ['Overridden', (x) => String((x.overridden || []).length + (x.skipped || []).length + (x.broke_glass || 0))]]) {
    const th = el('th', '', name);
    th.setAttribute('scope', 'row');
    table.append(el('tr', '', th, ...runs.map((x) => el('td', '', of(x)))));
  }
  all.append(table);
  const minutes = r.total / 60;
  all.append(el('p', 'hint', 'The runbook expects 15-30 min. This took ' + span(r.total) + (minutes < 15 ? ', less than that.' : minutes <= 30 ? ', as expected.' : ', more than that.')));
  const against = [].concat((r.overridden || []).map((t) => 'Gate overridden: ' + t), (r.skipped || []).map((t) => 'Gone on without: ' + t),
    r.broke_glass ? ['Approved alone, with broken glass: ' + r.broke_glass] : [], r.unanswered ? ['Questions nobody answered in time: ' + r.unanswered] : [], (r.differs || []).map((t) => 'Not as the scenario expects: ' + t));
  if (against.length) { const ul = el('ul'); for (const a of against) ul.append(el('li', '', a)); all.append(ul); }
  if (r.phase === 'resolved' && !(r.differs || []).length) all.append(el('p', 'fate good', '✓ Resolved, and the world is as the scenario expects it.'));
  return el('div', '', all, box);
}

const speeds = ['0.5', '1', '2', '4', '10', '30', '60'];

async function drawWorld() {
  const [w, s, p] = await Promise.all([ask('/beside/world'), ask('/beside/stage'), ask('/beside/practice')]);
  if (w.error || s.error) return;
  const body = el('div');
  const about = el('details', 'about', el('summary', '', w.title), el('p', '', w.about));
  if (document.querySelector('#worldBody .about[open]')) about.setAttribute('open', '');
  body.append(about);
  if (!p.error) body.append(practice(p));

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
  speed.value = s.speed;
  stage.append(el('div', 'row', clock, speed));
  const bot = {up: pill('good', 'the bot runs'), down: pill('bad', 'the bot is dead'), elsewhere: pill('idle', 'the bot is a process of its own')}[s.bot];
  stage.append(el('div', 'row', bot, s.bot === 'up' ? breaks('Kill the bot', 'kill', '', true, 'b small danger') : s.bot === 'down' ? breaks('Start the bot', 'start', '', true, 'b small primary') : ''));
  if (s.why) stage.append(el('p', 'fault', s.why));
  stage.append(el('div', 'row', s.away ? pill('bad', 'Slack is away') : pill('good', 'Slack answers'), s.away ? breaks('Bring Slack back', 'back', '', true, 'b small primary') : breaks('Take Slack away', 'away', '', true, 'b small danger')));
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
    table.append(el('tr', '', el('th', '', r.name), el('td', r.region !== w.zone ? 'short' : '', '→ ' + r.region + (r.stale ? ' (lies)' : r.region !== w.zone ? ' (cached)' : '')),
      el('td', '', breaks(r.stale ? 'Tell the truth' : 'Make it lie', 'resolver', r.name, !r.stale))));
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
  const path = ['kill', 'start', 'away', 'back'].includes(does) ? '/beside/stage' : '/beside/world';
  b.disabled = true;
  await ask(path, {do: does, what, on: on === 'true'}).catch(() => notice('The rehearsal does not answer.'));
  b.disabled = false;
  tick('world');
});
$('worldBody').addEventListener('change', async (e) => {
  if (e.target.id !== 'speed') return;
  const v = e.target.value;
  await ask('/beside/stage', {do: 'speed', speed: v}).catch(() => notice('The rehearsal does not answer.'));
  tick('world');
});

// ---- the inspector

let wireAfter = 0, wireLines = [];

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
  fill($('wireLines'), fit.map((l) => ({key: String(l.seq), sign: '', make: () => wireLine(l)})), false);
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
