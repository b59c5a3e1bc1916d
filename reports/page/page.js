// The report page: reads the JSON that stands in it, and draws. Nothing is fetched.
import * as echarts from 'echarts/core';
import { BarChart, LineChart, ScatterChart } from 'echarts/charts';
import { DataZoomComponent, GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent }
  from 'echarts/components';
import { CanvasRenderer } from 'echarts/renderers';

echarts.use([BarChart, LineChart, ScatterChart, DataZoomComponent, GridComponent, LegendComponent, MarkAreaComponent,
  MarkLineComponent, TooltipComponent, CanvasRenderer]);

const data = JSON.parse(document.getElementById('data').textContent);
const results = data.results;
const page = document.getElementById('page');
const charts = [];
const dark = matchMedia('(prefers-color-scheme: dark)');

// ---- words and numbers ----------------------------------------------------------------------------------

const nothing = '\u2013';
const digits = (v) => {
  if (v === null || v === undefined) return nothing;
  if (v === 0) return '0';
  const size = Math.abs(v);
  if (size >= 100) return Math.round(v).toLocaleString('en-US');
  return String(Number(v.toPrecision(3)));
};
const milliseconds = (v) => {
  if (v === null || v === undefined) return nothing;
  if (v < 999.5) return digits(v) + ' ms';
  return v < 99950 ? digits(v / 1000) + ' s' : digits(v / 60000) + ' min';
};
const duration = (s) => (s < 100 ? digits(s) + ' s' : s < 6000 ? digits(s / 60) + ' min' : digits(s / 3600) + ' h');
const percent = (v) => (v === null || v === undefined ? nothing : Number((v * 100).toPrecision(4)) + '%');
const usd = (v) => Number(v).toLocaleString('en-US', { style: 'currency', currency: 'USD' });
const clock = (s) => {
  const at = data.timeline && data.timeline.start_unix_s !== null
    ? new Date((data.timeline.start_unix_s + s) * 1000).toISOString() : null;
  return at ? at.slice(0, 10) + ' ' + at.slice(11, 16) : digits(s) + ' s';
};

// ---- pieces of the page ---------------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  for (const child of children) node.append(child);
  return node;
}
function section(title, text) {
  page.append(make('h2', {}, title));
  if (text) page.append(make('p', { class: 'dim' }, text));
}
function table(head, rows, open = false) {
  const body = make('table', {}, make('thead', {}, make('tr', {}, ...head.map((h) => make('th', {}, h)))),
    make('tbody', {}, ...rows.map((r) => make('tr', {}, ...r.map((c) => make('td', {}, String(c)))))));
  const box = make('div', { class: 'scroll' }, body);
  if (open) page.append(box);
  else page.append(make('details', {}, make('summary', {}, 'The numbers'), box));
}
function card(name, value, more, kind = '') {
  return make('div', { class: 'card ' + kind }, make('div', { class: 'name' }, name), make('div', { class: 'value' }, value),
    make('div', { class: 'more' }, more || ''));
}
function chart(id, height, option) {
  const box = make('div', { class: 'chart', id, style: `height:${height}px`, role: 'img' });
  page.append(box);
  charts.push({ box, option, instance: null });
}

// ---- colours: the same thing has the same colour in every chart -------------------------------------------

const colours = {
  arrivals: '#0969da', good: '#2da44e', busy: '#2da44e', ready: '#2da44e', idle: '#8c959f', starting: '#d4a72c',
  provisioning: '#d4a72c', pending: '#cf222e', draining: '#8250df', terminating: '#bf87ff', cordoned: '#bf87ff', lost: '#cf222e', unused: '#57606a', other: '#0550ae',
  p50: '#54aeff', p90: '#0969da', p99: '#bc4c00',
};
function theme() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { text: of('--text'), dim: of('--dim'), line: of('--line'), back: of('--panel') };
}
function axes(t) {
  return {
    axisLine: { lineStyle: { color: t.line } }, axisLabel: { color: t.dim }, nameTextStyle: { color: t.dim },
    splitLine: { lineStyle: { color: t.line, opacity: 0.5 } },
  };
}
function base(t) {
  return {
    animation: false,
    textStyle: { color: t.text, fontFamily: 'inherit' },
    legend: { top: 0, textStyle: { color: t.text } },
    grid: { left: 64, right: 64, top: 44, bottom: 58 },
    tooltip: { trigger: 'axis', backgroundColor: t.back, borderColor: t.line, textStyle: { color: t.text } },
  };
}

// ---- time ---------------------------------------------------------------------------------------------

const slices = data.timeline ? data.timeline.slices : [];
const times = slices.map((_, i) => clock(i * data.timeline.slice_s));
const bands = () => ({
  silent: true,
  itemStyle: { color: 'rgba(207, 34, 46, 0.16)' },
  data: data.timeline.bands.map((b) => [{ xAxis: times[b[0]] }, { xAxis: times[Math.min(b[1], times.length - 1)] }]),
});
/// Times at which an alert fired, over whatever else the chart shows.
const firing = (t) => ({
  name: 'alert fires', type: 'line', data: [], color: colours.starting,
  markArea: {
    silent: true, itemStyle: { color: 'rgba(154, 103, 0, 0.35)' }, label: { color: t.text, position: 'insideTop', overflow: 'truncate', width: 160 },
    data: (results.alerts || []).flatMap((a) => a.episodes.map((e) => [{ name: a.alert, xAxis: times[sliceOf(e.from_s)] }, { xAxis: times[sliceOf(e.to_s)] }])),
  },
});
const sliceOf = (s) => Math.max(0, Math.min(times.length - 1, Math.floor(s / data.timeline.slice_s)));
function timeAxis(t) {
  return { type: 'category', data: times, boundaryGap: false, ...axes(t), splitLine: { show: false } };
}
const zoom = () => [{ type: 'inside', xAxisIndex: 0 }, { type: 'slider', xAxisIndex: 0, height: 16, bottom: 8 }];

function area(name, values, colour, stack) {
  return { name, type: 'line', stack, symbol: 'none', lineStyle: { width: 0 }, areaStyle: { opacity: 0.75 },
    color: colour, data: values, step: 'middle' };
}

function timeline() {
  const lost = data.timeline.bands.length;
  section('Timeline', 'Arrivals against replicas by state, in the first trial'
    + (lost ? `; shaded: times at which fewer than ${percent(data.timeline.objective)} of the arrivals met the goodput objectives.`
      : data.timeline.objective === null ? '.' : '; the goodput objectives were met all the time.'));
  const states = ['ready', 'starting', 'pending', 'terminating', 'draining']
    .filter((s) => slices.some((x) => x.pods[s] > 0));
  chart('timeline', 360, (t) => ({
    ...base(t), xAxis: timeAxis(t), dataZoom: zoom(),
    yAxis: [{ type: 'value', name: 'replicas', ...axes(t) },
      { type: 'value', name: 'requests/s', ...axes(t), splitLine: { show: false } }],
    series: [
      ...states.map((s, i) => ({ ...area(s, slices.map((x) => x.pods[s]), colours[s], 'pods'),
        ...(i === 0 ? { markArea: bands() } : {}) })),
      { name: 'arrivals/s', type: 'line', yAxisIndex: 1, symbol: 'none', color: colours.arrivals, lineStyle: { width: 2 },
        data: slices.map((x) => x.arrivals / data.timeline.slice_s) },
      ...((results.alerts || []).some((a) => a.episodes.length > 0) ? [firing(t)] : []),
    ],
  }));
  table(['from', 'arrivals', 'completed', 'rejected', 'timed out', 'failed', 'unfinished', 'good', ...states],
    slices.map((x, i) => [times[i], x.arrivals, x.completed, x.rejected, x.timed_out, x.failed, x.unfinished, x.good,
      ...states.map((s) => digits(x.pods[s]))]));

  const nodeStates = ['ready', 'provisioning', 'cordoned', 'draining', 'lost'].filter((s) => slices.some((x) => x.nodes[s] > 0));
  if (nodeStates.length === 0) return;
  section('Nodes', 'By state, in the first trial.');
  chart('nodes', 260, (t) => ({
    ...base(t), xAxis: timeAxis(t), dataZoom: zoom(), yAxis: { type: 'value', name: 'nodes', ...axes(t) },
    series: nodeStates.map((s) => area(s, slices.map((x) => x.nodes[s]), colours[s], 'nodes')),
  }));
  table(['from', ...nodeStates], slices.map((x, i) => [times[i], ...nodeStates.map((s) => digits(x.nodes[s]))]));
}

function latency() {
  for (const [key, title, text] of [['ttft', 'Time to first token', 'From arrival to the first token'],
    ['tpot', 'Time per output token', 'Between a request\u2019s first and last token'], ['e2el', 'End to end', 'From arrival to the last token']]) {
    if (!slices.some((x) => x[key])) continue;
    section(title, `${text}, by the time of arrival, in the first trial; logarithmic.`);
    const limits = data.checks.filter((c) => c.kind === 'threshold' && c.expr.includes(key) && c.limit > 0);
    chart(key, 280, (t) => ({
      ...base(t), xAxis: timeAxis(t), dataZoom: zoom(),
      tooltip: { ...base(t).tooltip, valueFormatter: milliseconds },
      yAxis: { type: 'log', name: 'ms', ...axes(t), axisLabel: { color: t.dim, formatter: milliseconds } },
      series: ['p50', 'p90', 'p99'].map((q, i) => ({
        name: q, type: 'line', symbol: 'none', color: colours[q], connectNulls: false,
        data: slices.map((x) => (x[key] && x[key][q] > 0 ? x[key][q] : null)),
        ...(i === 0 ? { markArea: bands() } : {}),
        ...(i === 2 && limits.length ? { markLine: { silent: true, symbol: 'none', lineStyle: { color: colours.lost, type: 'dashed' },
          label: { color: t.dim, formatter: (p) => p.name, position: 'insideEndTop' },
          data: limits.map((c) => ({ yAxis: c.limit, name: c.expr })) } } : {}),
      })),
    }));
    table(['from', 'p50', 'p90', 'p99'], slices.map((x, i) => [times[i], ...['p50', 'p90', 'p99'].map((q) => milliseconds(x[key] ? x[key][q] : null))]));
  }
}

// ---- what the cluster said ------------------------------------------------------------------------------

function textTable(head, rows, name) {
  const cells = (tag, row) => row.map((c, i) => make(tag, typeof c === 'string' ? { class: i === row.length - 1 ? 'text' : 'left' } : {},
    typeof c === 'number' ? c.toLocaleString('en-US') : c));
  const body = make('table', {}, make('thead', {}, make('tr', {}, ...cells('th', head))),
    make('tbody', {}, ...rows.map((r) => make('tr', {}, ...cells('td', r)))));
  const box = make('div', { class: 'scroll' }, body);
  page.append(name ? make('details', {}, make('summary', {}, name), box) : box);
}
const place = (l) => (l.file ? l.file + (l.line ? ':' + l.line : '') : '');

function alerts() {
  const rows = results.alerts || [];
  if (rows.length === 0) return;
  section('Alerts', 'The PrometheusRules of the manifests, evaluated over the simulated series.');
  textTable(['alert', 'severity', 'fired in', 'first at', 'firing, mean of the trials'], rows.map((a) => [a.alert, a.severity || nothing,
    !a.evaluated ? 'not evaluated' : `${a.trials_fired} of ${results.trials} ${results.trials === 1 ? 'trial' : 'trials'}`,
    a.first_fired_s === null ? nothing : clock(a.first_fired_s), a.firing_s > 0 ? duration(a.firing_s) : nothing]));
}

function cluster() {
  const scalers = results.autoscalers || [], pods = results.pods || { pending: [], by_workload: [] }, events = results.events || [];
  if (scalers.length > 0) {
    section('Autoscalers', 'Conditions as kubectl describe shows them, and how long each held, in the first trial.');
    for (const a of scalers) {
      const up = a.scalings.filter((s) => s.to > s.from).length;
      page.append(make('h3', {}, `${a.name}: ${a.min_replicas} to ${a.max_replicas} replicas of ${a.target}; up ${up} times, down ${a.scalings.length - up} times`));
      for (const l of a.binding_limits)
        page.append(make('p', {}, `${l.limit} ${l.value} binds from ${clock(l.first_s)} on, for ${duration(l.held_s)} in all`, make('span', { class: 'dim' }, ` ${place(l)}`)));
      textTable(['condition', 'reason', 'held', 'message'], a.conditions.map((c) => [`${c.type}=${c.status}`, c.reason, duration(c.held_s), c.message]));
    }
  }
  if (pods.pending.length > 0) {
    section('Why pods were pending', 'In the scheduler\u2019s words, in the first trial.');
    textTable(['workload', 'pods', 'longest', 'first at', 'message'],
      pods.pending.map((p) => [p.workload, p.pods, duration(p.longest_s), clock(p.first_s), p.message]));
  }
  const troubled = pods.by_workload.filter((w) => w.restarts + w.evictions + w.evictions_refused + w.preempted + w.creates_refused > 0);
  if (troubled.length > 0) {
    section('Restarts and evictions', 'In the first trial.');
    textTable(['workload', 'restarts', 'of these by liveness', 'by startup probe', 'evictions', 'refused by a budget', 'preempted', 'creations refused'],
      troubled.map((w) => [w.workload, w.restarts, w.liveness_probe_kills, w.startup_probe_kills, w.evictions, w.evictions_refused, w.preempted, w.creates_refused]));
  }
  const limits = (results.nodes || []).filter((n) => n.binding_limit);
  for (const n of limits)
    page.append(make('p', {}, `Pool ${n.pool}: ${n.binding_limit.limit} ${n.binding_limit.value} binds from ${clock(n.binding_limit.first_s)} on, for ${duration(n.binding_limit.held_s)} in all`,
      make('span', { class: 'dim' }, ` ${place(n.binding_limit)}`)));
  if (events.length > 0) {
    section('Events', `As kubectl get events shows them, in the first trial: ${(events.length + (results.events_omitted || 0)).toLocaleString('en-US')}.`);
    const warnings = events.filter((e) => e.type === 'Warning');
    const row = (e) => [clock(e.first_s), e.count, e.type, e.reason, e.object, e.message];
    const columns = ['first at', 'times', 'type', 'reason', 'object', 'message'];
    if (warnings.length > 0) textTable(columns, warnings.slice(0, 200).map(row), `Warnings (${warnings.length})`);
    textTable(columns, events.slice(0, 1000).map(row), `All (${events.length}${events.length > 1000 ? ', the first 1,000 shown' : ''})`);
  }
}

// ---- money --------------------------------------------------------------------------------------------

function cost() {
  const rows = results.cost_breakdown ? results.cost_breakdown.rows : [];
  if (rows.length === 0) return;
  const uses = ['busy', 'idle', 'starting', 'draining', 'lost', 'unused', 'other'].filter((u) => rows.some((r) => r.use === u));
  const label = (r) => (r.capacity_type === 'other' ? `${r.pool}\n${r.workload || 'nobody\u2019s own'}`
    : `${r.pool} (${r.instance_type}, ${r.capacity_type})\n${r.workload || 'no pod'}`);
  const bars = [...new Set(rows.map(label))];
  const sum = (name, use) => rows.filter((r) => label(r) === name && r.use === use)
    .reduce((s, r) => s + Number(r.usd_per_month), 0);
  const month = rows.reduce((s, r) => s + Math.round(Number(r.usd_per_month) * 1e6), 0) / 1e6;
  section('Cost', `${usd(month)} a month (730 h of the same), by pool, workload and what the time went into.`);
  chart('cost', 110 + 56 * bars.length, (t) => ({
    ...base(t), grid: { left: 250, right: 40, top: 44, bottom: 30 },
    tooltip: { ...base(t).tooltip, trigger: 'item', valueFormatter: usd },
    xAxis: { type: 'value', name: 'USD', ...axes(t) },
    yAxis: { type: 'category', data: bars, inverse: true, ...axes(t), axisLabel: { color: t.text, lineHeight: 16 } },
    series: uses.map((u) => ({ name: u, type: 'bar', stack: 'usd', barMaxWidth: 34, color: colours[u], data: bars.map((b) => sum(b, u)) })),
  }));
  for (const [by, name] of [['namespace', 'By namespace'], ['model', 'By model'], ['tenant', 'By tenant']]) {
    const owners = [...new Set(rows.map((r) => r[by]))].filter((o) => o !== null);
    if (owners.length < (by === 'tenant' ? 1 : 2)) continue;
    const of = (o) => rows.filter((r) => r[by] === o);
    const micro = (list) => list.reduce((s, r) => s + Math.round(Number(r.usd_per_month) * 1e6), 0);
    page.append(make('h3', {}, name));
    table([by, 'USD per month', 'share', 'of it idle'], [...owners, null].filter((o) => of(o).length > 0).map((o) => [o === null ? '(shared: nobody\u2019s own)' : o, usd(micro(of(o)) / 1e6),
      percent(micro(of(o)) / 1e6 / month), usd(micro(of(o).filter((r) => r.use === 'idle')) / 1e6)]), true);
  }
  table(['pool', 'workload', 'namespace', 'model', 'tenant', 'use', 'USD over the span', 'USD per month'],
    rows.map((r) => [r.pool, r.workload || '(no pod)', r.namespace || nothing, r.model || nothing, r.tenant || nothing, r.use, r.usd, r.usd_per_month]));
}

// ---- spot ------------------------------------------------------------------------------------------------

/// A step function's points on a time axis in seconds, up to the end of the span.
const steps = (list, end) => list.concat(list.length ? [[end, list[list.length - 1][1]]] : []);

function spot() {
  const markets = results.spot_markets || [];
  if (markets.length === 0 || !data.timeline) return;
  const end = slices.length * data.timeline.slice_s;
  const timeOf = (t) => ({ type: 'value', min: 0, max: end, ...axes(t), splitLine: { show: false }, axisLabel: { color: t.dim, formatter: clock } });
  const seconds = (v) => (v === null ? nothing : duration(v));
  const all = results.spot;
  section('Spot machines', 'By market, in the first trial.'
    + (all && all.node_hours_share !== null ? ` Over all trials ${percent(all.node_hours_share)} of node-hours were spot, with ${digits(all.notices)} notices and ${digits(all.machines_taken)} machines taken`
      + (all.fallback_minutes > 0 ? `; on demand stood in for ${digits(all.fallback_minutes)} min.` : '.') : ''));
  table(['market', 'launched', 'no capacity', 'notices', 'taken in use', 'taken empty', 'notice given', 'used, mean', 'available', 'USD/h'],
    markets.map((m) => {
      const prices = m.price_usd_per_hour.map((p) => p[1]);
      const least = Math.min(...prices), most = Math.max(...prices);
      return [m.market, m.launched, m.launch_failures, m.evictions.filter((e) => e.what === 'notice').length, m.machines_taken_with_pods, m.machines_taken_empty,
        seconds(m.notice_s), seconds(m.mean_notice_used_s), percent(m.available), least === most ? digits(least) : `${digits(least)} to ${digits(most)}`];
    }), true);
  const marks = { notice: ['notices', 'triangle', colours.starting], taken: ['machines taken', 'diamond', colours.lost], rebalance: ['rebalance recommendations', 'circle', colours.draining] };
  const nodesAt = (m, at) => { let n = 0; for (const [s, v] of m.nodes) { if (s > at) break; n = v; } return n; };
  chart('spotnodes', 300, (t) => ({
    ...base(t), xAxis: timeOf(t), dataZoom: zoom(), yAxis: { type: 'value', name: 'spot nodes', minInterval: 1, ...axes(t) },
    series: [
      ...markets.map((m) => ({ name: m.market, type: 'line', step: 'end', symbol: 'none', data: steps(m.nodes, end) })),
      ...Object.entries(marks).map(([what, [name, symbol, color]]) => ({ name, type: 'scatter', symbol, symbolSize: 11, color,
        data: markets.flatMap((m) => m.evictions.filter((e) => e.what === what).map((e) => [e.at_s, nodesAt(m, e.at_s - 1e-6)])) }))
        .filter((s) => s.data.length > 0),
    ],
  }));
  if (markets.some((m) => m.price_usd_per_hour.length > 1)) {
    page.append(make('h3', {}, 'Price in force'));
    chart('spotprices', 240, (t) => ({
      ...base(t), xAxis: timeOf(t), dataZoom: zoom(), yAxis: { type: 'value', name: 'USD/h', scale: true, ...axes(t) },
      tooltip: { ...base(t).tooltip, valueFormatter: (v) => digits(v) + ' USD/h' },
      series: markets.map((m) => ({ name: m.market, type: 'line', step: 'end', symbol: 'none', data: steps(m.price_usd_per_hour, end) })),
    }));
  }
  const limited = markets.filter((m) => m.capacity_nodes !== null);
  if (limited.length > 0) {
    page.append(make('h3', {}, 'Nodes that there are to be had'));
    const most = Math.max(1, ...limited.flatMap((m) => m.capacity_nodes.map((c) => c[1])), ...limited.flatMap((m) => m.nodes.map((c) => c[1])));
    chart('spotcapacity', 240, (t) => ({
      ...base(t), xAxis: timeOf(t), dataZoom: zoom(), yAxis: { type: 'value', name: 'nodes at most', ...axes(t), max: most,
        axisLabel: { color: t.dim, formatter: (v) => (v === most && limited.some((m) => m.capacity_nodes.some((c) => c[1] < 0)) ? 'any' : v) } },
      series: limited.map((m) => ({ name: m.market, type: 'line', step: 'end', symbol: 'none', areaStyle: { opacity: 0.15 },
        data: steps(m.capacity_nodes.map(([at, n]) => [at, n < 0 ? most : n]), end) })),
    }));
  }
}

// ---- fragmentation ---------------------------------------------------------------------------------------

function fragmentation() {
  const rows = (results.fragmentation || []).flatMap((f) => f.unusable.map((u) => [f.workload, clock(f.at_s), f.gpus_per_pod, f.free_gpus, u.gpus, u.nodes, u.reason]));
  if (rows.length === 0) return;
  section('GPUs free but unusable', 'While pods waited for some, at the moment when they were most, in the first trial.');
  textTable(['workload', 'at', 'GPUs of a pod', 'free in all', 'of these', 'on nodes', 'why no pod could take them'], rows);
}

// ---- cold starts ----------------------------------------------------------------------------------------

function coldStarts() {
  const starts = data.cold_starts || [];
  if (starts.length === 0) return;
  const shown = starts.slice(0, 60);
  section('Cold starts', `From a pod\u2019s creation to Ready, in the first trial: ${starts.length} in all`
    + (shown.length < starts.length ? `, the first ${shown.length} shown.` : '.'));
  const names = shown.map((s) => `${clock(s.at_s)}  ${s.workload}`);
  chart('coldstarts', 90 + 18 * shown.length, (t) => ({
    ...base(t), grid: { left: 250, right: 40, top: 44, bottom: 30 },
    xAxis: { type: 'value', name: 's', ...axes(t) },
    yAxis: { type: 'category', data: names, inverse: true, ...axes(t), axisLabel: { color: t.text, fontSize: 11 } },
    tooltip: { ...base(t).tooltip, valueFormatter: (v) => digits(v) + ' s' },
    series: [
      { name: 'waits for a node', type: 'bar', stack: 's', color: colours.pending, data: shown.map((s) => s.pending_s) },
      { name: 'pulls, loads, is probed', type: 'bar', stack: 's', color: colours.starting, data: shown.map((s) => s.starting_s) },
    ],
  }));
  table(['created', 'workload', 'waits for a node, s', 'starts, s'],
    starts.map((s) => [clock(s.at_s), s.workload, digits(s.pending_s), digits(s.starting_s)]));
  waterfall();
}

/// The longest path through the starts of each workload, one part after the other: means over its starts.
function waterfall() {
  for (const w of (results.starts || []).filter((s) => s.starts > 0)) {
    page.append(make('h3', {}, `${w.workload}: where the time to Ready went, mean of ${w.starts} ${w.starts === 1 ? 'start' : 'starts'}`));
    let at = 0;
    const parts = w.critical_path.map((p) => { const from = at; at += p.s; return { ...p, from }; });
    chart(`waterfall-${w.workload}`, 80 + 20 * parts.length, (t) => ({
      ...base(t), legend: { show: false }, grid: { left: 250, right: 60, top: 14, bottom: 30 },
      xAxis: { type: 'value', name: 's', ...axes(t) },
      yAxis: { type: 'category', data: parts.map((p) => p.stage.replaceAll('_', ' ')), inverse: true, ...axes(t), axisLabel: { color: t.text, fontSize: 11 } },
      tooltip: { ...base(t).tooltip, formatter: (p) => `${p[1].name}: ${duration(p[1].value)}` },
      series: [
        { type: 'bar', stack: 's', silent: true, itemStyle: { color: 'transparent' }, data: parts.map((p) => p.from) },
        { type: 'bar', stack: 's', color: colours.starting, data: parts.map((p) => ({ value: p.s, itemStyle: p.stage === 'pending' || p.stage.startsWith('waits') ? { color: colours.pending } : {} })),
          label: { show: true, position: 'right', color: t.dim, formatter: (p) => duration(p.value) } },
      ],
    }));
    if (w.image_layers)
      textTable(['layer', 'GB', 'downloaded', 'found on the node', 'mean download', 'mean unpacking'], w.image_layers.map((l) => [l.layer, digits(l.gb), l.downloads, l.found_on_node,
        l.mean_download_s === null ? nothing : duration(l.mean_download_s), l.mean_unpack_s === null ? nothing : duration(l.mean_unpack_s)]), 'The layers of its image');
  }
}

// ---- the trials -----------------------------------------------------------------------------------------

function trials() {
  const per = results.per_trial;
  if (!per || results.trials < 2) return;
  section('Futures', `${results.trials} trials, each a future of its own: how far they lie apart.`);
  const rows = [['mean_ttft_ms', milliseconds], ['p99_ttft_ms', milliseconds], ['p99_tpot_ms', milliseconds], ['p99_e2el_ms', milliseconds],
    ['goodput', percent], ['availability', percent], ['degraded_minutes', digits], ['cold_starts', digits], ['spot_evictions', digits],
    ['cost_per_month', usd]].filter(([k]) => per[k] && per[k].some((v) => v !== null));
  const at = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  table(['', 'least', '5%', 'median', '95%', 'most'], rows.map(([k, form]) => {
    const sorted = per[k].filter((v) => v !== null).sort((a, b) => a - b);
    return [k, form(sorted[0]), form(at(sorted, 0.05)), form(at(sorted, 0.5)), form(at(sorted, 0.95)), form(sorted[sorted.length - 1])];
  }), true);
}

// ---- the page, top to bottom ------------------------------------------------------------------------------

function head() {
  document.title = `windtunnel: ${results.scenario.name}`;
  page.append(make('h1', {}, results.scenario.name));
  page.append(make('p', { class: 'dim' }, `${results.trials} ${results.trials === 1 ? 'trial' : 'trials'}, seed ${results.seed}`
    + (results.complete ? '' : ', interrupted') + ` \u00b7 windtunnel ${data.version} \u00b7 inputs ${results.scenario.hash}`));
  const failed = data.checks.filter((c) => c.verdict === 'fail').length;
  const open = data.checks.filter((c) => c.verdict === 'inconclusive').length;
  const all = data.checks.length;
  if (all > 0)
    page.append(make('p', { class: `verdict ${failed ? 'fail' : open ? 'inconclusive' : 'pass'}` },
      failed ? `\u2717 ${failed} of ${all} thresholds failed` : open ? `\u2248 ${open} of ${all} thresholds are inconclusive`
        : `\u2713 ${all === 1 ? 'the threshold holds' : `all ${all} thresholds hold`}`));
  const cards = make('div', { class: 'cards' });
  for (const c of data.checks)
    cards.append(card(c.expr, c.shown.split(' [')[0], [c.shown.includes(' [') ? '95%: [' + c.shown.split(' [')[1] : '', c.note, c.verdict === 'pass' ? '' : [c.cause, c.place].filter(Boolean).join(' \u00b7 ')]
      .filter(Boolean).join(' \u00b7 '), c.verdict));
  const r = results.requests;
  cards.append(card('requests', r.arrived.toLocaleString('en-US'),
    ['completed', 'rejected', 'timed_out', 'failed', 'unfinished'].filter((k) => r[k] > 0)
      .map((k) => `${r[k].toLocaleString('en-US')} ${k.replace('_', ' ')}`).join(', ')));
  cards.append(card('output tokens per second', digits(results.throughput.output_throughput),
    `${digits(results.throughput.request_throughput)} requests/s`));
  cards.append(card('replicas', `${digits(results.capacity.replicas_mean)} mean`, `most ${digits(results.capacity.replicas_max)}; `
    + `${digits(results.capacity.cold_starts)} cold starts; GPUs busy ${percent(results.capacity.gpu_busy_ratio)}`));
  if (results.cost.by_pool.length > 0)
    cards.append(card('cost over the span', usd(results.cost.total_usd),
      results.cost.usd_per_million_output_tokens === null ? '' : `${usd(results.cost.usd_per_million_output_tokens)} per 1M output tokens`));
  page.append(cards);
}

function percentiles() {
  section('Latency');
  const of = (statistic, name) => milliseconds(results.latency[`${statistic}_${name}_ms`]);
  table(['', 'mean', 'median', 'p90', 'p99', 'p99.9'], ['ttft', 'tpot', 'itl', 'e2el']
    .map((n) => [n, ...['mean', 'p50', 'p90', 'p99', 'p99.9'].map((s) => of(s, n))]), true);
  if (data.warm_up)
    page.append(make('p', { class: 'dim' }, data.warm_up));
}

function inputs() {
  section('Inputs and assumptions');
  const rows = Object.entries(data.inputs).map(([k, v]) => make('tr', {}, make('td', {}, k), make('td', { class: 'text' }, String(v))));
  page.append(make('table', {}, make('tbody', {}, ...rows)));
  if (results.warnings.length > 0) {
    section(`Warnings (${results.warnings.length})`);
    page.append(make('ul', {}, ...results.warnings.map((w) => make('li', {},
      [w.file ? w.file + (w.line ? ':' + w.line : '') : '', w.path, w.message].filter(Boolean).join(': ')))));
  }
  section('Definitions');
  page.append(make('ul', {}, ...Object.entries(data.definitions).map(([k, v]) => make('li', {}, `${k}: ${v}`))));
  const button = make('button', {}, 'Download the results as JSON');
  button.addEventListener('click', () => {
    const link = make('a', { href: URL.createObjectURL(new Blob([JSON.stringify(results, null, 2)], { type: 'application/json' })),
      download: 'results.json' });
    link.click();
  });
  page.append(button);
}

function draw() {
  const t = theme();
  for (const c of charts) {
    if (c.instance) c.instance.dispose();
    c.instance = echarts.init(c.box, null, { renderer: 'canvas' });
    c.instance.setOption(c.option(t));
  }
  const timed = charts.filter((c) => ['timeline', 'nodes', 'ttft', 'tpot', 'e2el'].includes(c.box.id)).map((c) => c.instance);
  if (timed.length > 1) echarts.connect(timed);
}

head();
if (data.timeline) timeline();
alerts();
percentiles();
if (data.timeline) latency();
cost();
spot();
fragmentation();
coldStarts();
cluster();
trials();
inputs();
draw();
dark.addEventListener('change', draw);
addEventListener('resize', () => charts.forEach((c) => c.instance.resize()));
