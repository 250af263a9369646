// Copyright (c) 2026, llm.host contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Draws /status.json, which roles/metrics/files/llm_status writes. Names come from elsewhere, so that every text is set as a text.
'use strict';

(() => {
  // Without the name and password that may stand in the address of the page, with which a browser asks for nothing.
  const SOURCE = new URL('/status.json', location.origin);
  const EVERY = 30;
  // How many runs of the program may be missed before the figures are called old.
  const PATIENCE = 4;
  const HEIGHT = 40;
  const GIB = 2 ** 30;

  const at = (id) => document.getElementById(id);

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  function draw(tag, attributes, ...children) {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) {
      element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  // --- Numbers for people -------------------------------------------------------------------------------------------------------------

  const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);
  const shown = (write) => (value) => (isNumber(value) ? write(value) : '–');
  const digits = (value, few) => value.toLocaleString('en', { minimumFractionDigits: few, maximumFractionDigits: few });
  const plain = (value) => digits(value, value === 0 || value >= 100 ? 0 : value >= 1 ? 1 : 2);

  const FORMAT = {
    seconds: shown((value) => (value > 0 && value < 0.1 ? `${digits(value * 1000, 0)} ms` : value < 120 ? `${plain(value)} s` : `${digits(value / 60, 1)} min`)),
    rate: shown((value) => `${plain(value)} /s`),
    perMinute: shown((value) => `${plain(value * 60)} /min`),
    count: shown((value) => digits(value, Number.isInteger(value) ? 0 : 1)),
    percent: shown((value) => `${digits(value * 100, 0)} %`),
    bytes: shown((value) => (value >= GIB ? `${digits(value / GIB, 1)} GiB` : `${digits(value / 2 ** 20, 0)} MiB`)),
    celsius: shown((value) => `${digits(value, 0)} °C`),
  };

  const clock = (seconds, more = {}) => new Date(seconds * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', ...more });

  function moment(seconds, now) {
    const day = new Date(seconds * 1000);
    const same = day.toDateString() === new Date(now * 1000).toDateString();
    return same ? clock(seconds) : `${day.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })}, ${clock(seconds)}`;
  }

  function span(seconds) {
    const steps = [[86400, 'd'], [3600, 'h'], [60, 'min']];
    const step = steps.find(([size]) => seconds >= size);
    return step ? `${Math.floor(seconds / step[0])} ${step[1]}` : `${Math.max(0, Math.round(seconds))} s`;
  }

  // --- Charts -------------------------------------------------------------------------------------------------------------------------

  const known = (values) => (values || []).filter(isNumber);

  // The pieces of a line, as it breaks where nothing is known. A lone point is as wide as a line can be seen.
  function pieces(values) {
    const found = [];
    values.forEach((value, place) => {
      if (!isNumber(value)) {
        return;
      }
      if (place === 0 || !isNumber(values[place - 1])) {
        found.push([]);
      }
      found[found.length - 1].push([place, value]);
    });
    return found.map((piece) => (piece.length > 1 ? piece : [piece[0], [piece[0][0] + 0.7, piece[0][1]]]));
  }

  function chart(name, lines, format, top = 0) {
    const values = lines.map((line) => line.values || []);
    const width = Math.max(2, ...values.map((line) => line.length)) - 1;
    const most = Math.max(top, ...values.flatMap(known));
    const spot = ([place, value]) => `${place} ${(HEIGHT - 1 - (most > 0 ? value / most : 0) * (HEIGHT - 3)).toFixed(2)}`;
    const svg = draw('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
    svg.append(draw('line', { x1: 0, x2: width, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }));
    lines.forEach((line, index) => {
      const parts = pieces(values[index]);
      const path = parts.map((piece) => `M${piece.map(spot).join('L')}`).join('');
      if (index === 0) {
        const area = parts.map((piece) => `M${piece[0][0]} ${HEIGHT}L${piece.map(spot).join('L')}L${piece[piece.length - 1][0]} ${HEIGHT}Z`).join('');
        svg.prepend(draw('path', { class: 'area', d: area }));
      }
      svg.append(draw('path', { class: index === 0 ? 'first' : 'second', d: path }));
    });
    const told = lines.map((line, index) => {
      const all = known(values[index]);
      return all.length ? `${line.name} between ${format(Math.min(...all))} and ${format(Math.max(...all))}` : `${line.name} not known`;
    });
    svg.setAttribute('aria-label', `${name}, last 24 hours: ${told.join('; ')}`);
    const high = values.flatMap(known).length ? `up to ${format(Math.max(...values.flatMap(known)))}` : 'no figures';
    const caption = make('figcaption', {}, make('span', {}, '24 h ago'), make('span', {}, high), make('span', {}, 'now'));
    caption.setAttribute('aria-hidden', 'true');
    return make('figure', {}, svg, caption);
  }

  const dashes = () => make('span', { class: 'key', 'aria-hidden': 'true' }, '┄┄');

  function table(element, heads, rows, nothing) {
    const head = make('thead', {}, make('tr', {}, ...heads.map((text) => make('th', { scope: 'col' }, text))));
    const body = make('tbody', {});
    for (const [first, ...rest] of rows) {
      const cells = rest.map((content, index) => make('td', { 'data-label': heads[index + 1] }, content));
      body.append(make('tr', {}, make('th', { scope: 'row' }, first), ...cells));
    }
    if (!rows.length) {
      body.append(make('tr', {}, make('th', { scope: 'row', colspan: heads.length, class: 'dim' }, nothing)));
    }
    element.replaceChildren(head, body);
    return element;
  }

  // --- Sections -----------------------------------------------------------------------------------------------------------------------

  const METRICS = [
    {
      name: 'Time to the whole answer', first: 'p50', second: 'p95', format: FORMAT.seconds, labels: ['median', '95 of 100'],
      detail: (now) => `95 of 100 within ${FORMAT.seconds(now.p95)}`,
    },
    {
      name: 'Time to the first word', first: 'first_byte', second: 'first_byte_p95', format: FORMAT.seconds, labels: ['median', '95 of 100'],
      detail: (now) => `95 of 100 within ${FORMAT.seconds(now.first_byte_p95)}`,
    },
    { name: 'Tokens written', first: 'tokens', format: FORMAT.rate, labels: ['tokens'], detail: () => 'all models together' },
    {
      name: 'Requests', first: 'requests', second: 'errors', format: FORMAT.perMinute, labels: ['all', 'failed'],
      detail: (now) => (now.errors > 0 ? `${FORMAT.perMinute(now.errors)} of them failed` : isNumber(now.errors) ? 'none of them failed' : ''),
    },
    { name: 'Waiting in the queue', first: 'waiting', format: FORMAT.count, labels: ['requests'], detail: (now) => (now.waiting > 0 ? 'all model servers are busy' : '') },
    { name: 'Refused for a full queue', first: 'refused', format: FORMAT.perMinute, labels: ['refused'], detail: () => '' },
  ];

  function card(metric, status) {
    const lines = [{ name: metric.labels[0], values: status.history[metric.first] }];
    const detail = make('p', { class: 'detail dim' }, metric.detail(status.now));
    if (metric.second) {
      lines.push({ name: metric.labels[1], values: status.history[metric.second] });
      detail.append(detail.textContent ? ' ' : '', dashes());
    }
    return make('div', { class: 'card' }, make('h3', {}, metric.name), make('p', { class: 'value' }, metric.format(status.now[metric.first])),
      detail, chart(metric.name, lines, metric.format));
  }

  // One row for each hour: what is worst in it, or the average of what is better when there is more of it.
  function hours(status) {
    const { start, step } = status.history;
    const size = Math.round(3600 / step);
    const length = Math.max(0, ...METRICS.map((metric) => (status.history[metric.first] || []).length));
    const most = (values) => (values.length ? Math.max(...values) : null);
    const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
    const rows = [];
    for (let end = length; end > 0; end -= size) {
      const begin = Math.max(0, end - size);
      const over = (name, how) => how(known((status.history[name] || []).slice(begin, end)));
      rows.push([
        moment(start + begin * step, status.measured), FORMAT.seconds(over('p50', most)), FORMAT.seconds(over('p95', most)),
        FORMAT.seconds(over('first_byte', most)), FORMAT.rate(over('tokens', mean)), FORMAT.perMinute(over('requests', mean)),
        FORMAT.count(over('waiting', most)), FORMAT.perMinute(over('refused', most)),
      ]);
    }
    const heads = ['From', 'Median', '95 of 100', 'First word', 'Tokens', 'Requests', 'Waiting', 'Refused'];
    table(at('hours'), heads, rows, 'Nothing is known.');
  }

  function alerts(status) {
    const classes = { critical: 'bad', warning: 'warn' };
    const items = status.alerts.map((alert) => {
      const since = isNumber(alert.since) ? ` Since ${moment(alert.since, status.measured)}.` : '';
      const words = { critical: 'Critical: ', warning: 'Warning: ' }[alert.severity] || '';
      return make('li', { class: `note ${classes[alert.severity] || 'warn'}` }, make('strong', {}, words), alert.text || alert.name, since);
    });
    at('alert-list').replaceChildren(...(items.length ? items : [make('li', { class: 'note good' }, 'Nothing: no alert fires.')]));
  }

  function models(status) {
    const used = status.models.filter((model) => model.tokens > 0 || isNumber(model.p50));
    const rows = used.map((model) => [
      make('code', {}, model.name), FORMAT.rate(model.tokens), FORMAT.seconds(model.p50), FORMAT.seconds(model.p95), FORMAT.seconds(model.first_byte),
    ]);
    table(at('model-table'), ['Model', 'Tokens', 'Median', '95 of 100', 'First word'], rows, 'No model was used.');
  }

  function loaded(status, host) {
    const several = host.servers.length > 1;
    const row = (name, server, ...rest) => [name, ...(several ? [server.name] : []), ...rest];
    const rows = host.servers.flatMap((server) => [
      ...(server.up ? [] : [row('Ollama does not answer', server, '', '', '')]),
      ...server.models.map((model) => {
        const share = model.bytes > 0 && isNumber(model.vram_bytes) ? model.vram_bytes / model.bytes : null;
        const place = model.on_cpu === 1 ? `${FORMAT.percent(share)}, the rest slowly by the CPU` : FORMAT.percent(share);
        const until = isNumber(model.expires) ? `until ${moment(model.expires, status.measured)}, if not used` : 'always';
        return row(make('code', {}, model.name), server, FORMAT.bytes(model.bytes), place, until);
      }),
    ]);
    const heads = ['Model in memory', ...(several ? ['Instance'] : []), 'Size', 'On the GPU', 'Stays'];
    return table(make('table', {}), heads, rows, 'No model is in memory.');
  }

  function gpu(one) {
    const name = `GPU ${one.gpu}`;
    const used = isNumber(one.memory_used) && one.memory_total > 0 ? one.memory_used / one.memory_total : one.memory;
    const measure = (label, value, text, ...key) => make('div', {}, make('span', {}, `${label} ${text} `, ...key),
      make('meter', { min: 0, max: 1, high: 0.9, value: isNumber(value) ? value : 0, 'aria-label': `${name}: ${label}` }));
    const history = one.history || {};
    const lines = [{ name: 'busy', values: history.utilization }, { name: 'memory', values: history.memory }];
    const caption = make('p', { class: 'detail dim' }, [one.name, FORMAT.celsius(one.temperature)].filter((text) => text && text !== '–').join(', '));
    const memory = `${FORMAT.bytes(one.memory_used)} of ${FORMAT.bytes(one.memory_total)}`;
    return make('div', { class: 'card' }, make('h3', {}, name), caption, measure('Busy', one.utilization, FORMAT.percent(one.utilization)),
      measure('Memory', used, memory, dashes()), chart(name, lines, FORMAT.percent, 1));
  }

  function hosts(status) {
    const list = status.hosts.map((host, index) => {
      const id = `host-${index}`;
      const parts = [make('h3', { id }, host.name)];
      if (!host.reports) {
        parts.push(make('p', { class: 'note bad' }, 'Nothing is heard of this host.'));
      }
      if (host.servers.length) {
        parts.push(make('div', { id: `${id}-models`, class: 'scroll', tabindex: 0, role: 'region', 'aria-labelledby': id }, loaded(status, host)));
      }
      if (host.gpus.length) {
        parts.push(make('div', { class: 'cards' }, ...host.gpus.map(gpu)));
      }
      return make('section', { class: 'host', 'aria-labelledby': id }, ...parts);
    });
    at('host-list').replaceChildren(...(list.length ? list : [make('p', { class: 'dim' }, 'None is known.')]));
  }

  // --- What is known, and how old it is -----------------------------------------------------------------------------------------------

  // The last figures, the seconds by which this clock is behind the gateway's, and why there are no newer ones.
  const state = { status: null, ahead: 0, failed: '' };

  const now = () => Date.now() / 1000 + state.ahead;

  function trouble() {
    if (state.failed) {
      return state.failed;
    }
    const status = state.status;
    const patience = PATIENCE * (status.every || EVERY);
    if (now() - status.asked > patience) {
      return `These figures have not been renewed since ${moment(status.asked, now())}: the gateway's host has stopped asking for them.`;
    }
    if (!status.answered) {
      return isNumber(status.measured) && now() - status.measured <= patience ? '' : 'No monitor answers.';
    }
    return '';
  }

  function tell() {
    const measured = state.status && state.status.measured;
    let text = trouble();
    if (text && isNumber(measured)) {
      text += ` What you see is how it was at ${moment(measured, now())}.`;
    }
    const box = at('trouble');
    if (box.textContent !== text) {
      box.replaceChildren(...(text ? [make('p', { class: 'note warn' }, text)] : []));
    }
    at('age').textContent = isNumber(measured)
      ? `as of ${clock(measured, { second: '2-digit' })}, ${span(now() - measured)} ago`
      : 'nothing is known yet';
  }

  function show(status) {
    const focused = document.activeElement.id;
    state.status = status;
    if (isNumber(status.measured)) {
      alerts(status);
      at('cards').replaceChildren(...METRICS.map((metric) => card(metric, status)));
      hours(status);
      models(status);
      hosts(status);
      at('figures').hidden = false;
    }
    // Who reads with the keyboard stays where they are.
    if (focused && at(focused) && document.activeElement.id !== focused) {
      at(focused).focus({ preventScroll: true });
    }
  }

  const REFUSALS = {
    401: 'You are not logged in any more: load this page again.',
    404: 'No figures were collected on this gateway yet.',
  };

  async function asked() {
    let reply;
    try {
      reply = await fetch(SOURCE, { cache: 'no-store' });
    } catch (error) {
      return 'The gateway cannot be reached.';
    }
    if (!reply.ok) {
      return REFUSALS[reply.status] || `The gateway answers with HTTP ${reply.status}.`;
    }
    const date = Date.parse(reply.headers.get('Date'));
    state.ahead = Number.isNaN(date) ? 0 : (date - Date.now()) / 1000;
    try {
      show(await reply.json());
    } catch (error) {
      // Half of them may be drawn.
      state.status = null;
      at('figures').hidden = true;
      return 'The figures cannot be read.';
    }
    return '';
  }

  async function refresh() {
    state.failed = await asked();
    tell();
  }

  document.addEventListener('visibilitychange', () => document.hidden || refresh());
  setInterval(() => document.hidden || refresh(), EVERY * 1000);
  setInterval(() => (state.status || state.failed) && tell(), 1000);
  refresh();
})();
