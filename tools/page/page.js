// The page of `vmapcheck show --html`, in the order in which a reader meets it:
//
//     the recording        lines of JSON (tools/show_page.hpp says what is in them) become entries, one for each step
//     the state of a step  each entry holds what changed; checkpoints make any step a short way
//     drawing              the step, the failure, the map, the tree, the steps around it
//     moving               slider, buttons, keys
//
// Whatever the recording says is inserted as text, never as markup.
'use strict';

const byId = (id) => document.getElementById(id);

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function drawn(name, attributes, text) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// ---- The recording --------------------------------------------------------------------------------------------------

const {about, verdict, lines} = JSON.parse(byId('recording').textContent);
const number = (digits) => BigInt('0x' + digits);
const hex = (value) => '0x' + value.toString(16);
const space = {begin: number(about.begin), end: number(about.end)};
const granule = number(about.granule);

/// [begin, end, kind, label] as it is drawn.
const toItem = ([begin, end, kind, label]) => ({begin: number(begin), end: number(end), kind, label});

/// Entry 0 is what was there before the first step; entry i > 0 is the step first + i - 1.
const start = {op: '', answer: '', map: [], ...lines[0]};
const entries = [start];
const firstStep = start.begin ?? 0;
for (const line of lines.slice(1)) {
  if (line.step !== undefined) entries.push(line);
  else Object.assign(entries[entries.length - 1], line);
}
// What failed where nothing was answered: at the end of the trace, or where the run died.
if (!verdict.ok && verdict.step === firstStep + entries.length - 1)
  entries.push({step: verdict.step, op: verdict.op || 'the end of the trace', answer: '', unanswered: true});
for (const entry of entries) {
  entry.splices = (entry.map ?? []).map(([at, gone, come]) => [at, gone, come.map(toItem)]);
  entry.bytes = (entry.changed ?? []).map(([begin, end]) => ({begin: number(begin), end: number(end)}));
  entry.model = entry.expected?.map(toItem);
}
const lastIndex = entries.length - 1;
const failingIndex = verdict.ok ? -1 : entries.findIndex((entry) => entry.step === verdict.step);

// ---- The state of a step ----------------------------------------------------------------------------------------------

// A checkpoint is taken where the changes since the last have become as many as what there is, so that all of
// them together are about as large as the recording.
const checkpoints = [];
let recent = {index: -1, state: null};

const copyOf = (state) => ({map: state.map.slice(), nodes: new Map(state.nodes), root: state.root});

/// Changes `state` to what the entry left.
function apply(state, entry) {
  for (const [at, gone, come] of entry.splices) state.map.splice(at, gone, ...come);
  for (const id of entry.gone ?? []) state.nodes.delete(id);
  for (const node of entry.nodes ?? []) state.nodes.set(node[0], node);
  state.root = entry.root ?? state.root;
}

/// Not to be changed: it may be asked for again.
function stateAt(index) {
  if (recent.index === index) return recent.state;
  let from = checkpoints.findLast((one) => one.index <= index);
  if (recent.state && recent.index <= index && recent.index > from.index) from = recent;
  const state = copyOf(from.state);
  for (let i = from.index + 1; i <= index; ++i) apply(state, entries[i]);
  recent = {index, state};
  return state;
}

{
  const state = {map: [], nodes: new Map(), root: -1};
  apply(state, start);
  checkpoints.push({index: 0, state});
  // The sizes are known without the states.
  let size = state.map.length + state.nodes.size, changes = 0;
  for (let i = 1; i <= lastIndex; ++i) {
    const entry = entries[i];
    for (const [, gone, come] of entry.splices) size += come.length - gone, changes += come.length + gone;
    size -= entry.gone?.length ?? 0;
    changes += 1 + (entry.nodes?.length ?? 0);
    if (changes < Math.max(500, size)) continue;
    checkpoints.push({index: i, state: stateAt(i)});
    changes = 0;
    // Nodes that are new are told from those that changed only by looking.
    size = recent.state.map.length + recent.state.nodes.size;
  }
}

// ---- Words ------------------------------------------------------------------------------------------------------------

const kindWords = {b: 'busy', l: 'lazy', f: 'free', lost: 'nobody’s'};
const kindClasses = {b: 'busy', l: 'lazy', f: 'free', lost: 'lost'};

function bytesText(size) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  const unit = Math.max(0, Math.min(units.length - 1, Math.floor((size.toString(2).length - 1) / 10)));
  const whole = size >> BigInt(10 * unit);
  if (whole << BigInt(10 * unit) === size) return `${whole} ${units[unit]}`;
  return `≈ ${(Number(size) / 2 ** (10 * unit)).toFixed(1)} ${units[unit]}`;
}

const rangeText = (range) => `${hex(range.begin)}..${hex(range.end)}`;

/// How wide an item is drawn, without unit.
function weight(size, scale) {
  if (scale === 'equal') return 1;
  const granules = size / granule;
  return scale === 'linear' ? Math.max(Number(granules), 1e-9) : 1.5 + granules.toString(2).length;
}

const chosenScale = () => document.querySelector('input[name=scale]:checked').value;

// ---- Drawing ----------------------------------------------------------------------------------------------------------

let index = 0;
let center = null;  ///< an address that was chosen to be looked at, instead of what changed

function draw() {
  const entry = entries[index];
  const before = index > 0 ? stateAt(index - 1) : null;
  const state = stateAt(index);
  drawControls(entry);
  drawNow(entry);
  drawFailure(entry);
  drawMap(entry, state, before ?? state);
  drawTree(entry, state, before ?? state);
  drawSteps();
}

const stepName = (i) => (i === 0 ? `before step ${firstStep}` : `step ${entries[i].step}`);

function drawControls() {
  byId('slider').value = index;
  byId('slider').setAttribute('aria-valuetext', `${stepName(index)} ${entries[index].op}`);
  if (document.activeElement !== byId('number') || index > 0) byId('number').value = index > 0 ? entries[index].step : '';
  byId('of').textContent = lastIndex > 0 ? `of ${firstStep} to ${entries[lastIndex].step}` : 'the trace has no steps';
  byId('first').disabled = byId('previous').disabled = index === 0;
  byId('last').disabled = byId('next').disabled = index === lastIndex;
}

function drawNow(entry) {
  const op = byId('op');
  op.replaceChildren(element('span', 'at', stepName(index)), ' ', element('span', '', entry.op));
  const answer = byId('answer');
  answer.replaceChildren();
  if (index === 0) answer.append(element('span', '', firstStep === 0 ? 'what is there from the start' : 'what the steps before have left'));
  if (entry.fit) answer.append(element('span', 'badge fit', entry.fit));
  if (entry.error) answer.append(element('span', 'badge error', 'error'));
  if (entry.skipped) answer.append(element('span', 'badge skipped', 'skipped'));
  let text = entry.answer;
  // The badge has said the first or the last word.
  if (entry.fit && text.endsWith(' ' + entry.fit)) text = text.slice(0, -entry.fit.length - 1);
  if (entry.error) text = text.replace(/^error /, '');
  if (entry.skipped) text = text.replace(/^skipped: /, '');
  answer.append(element('span', 'text', text));
  if (entry.effect) answer.append(element('span', 'effect', ' — ' + entry.effect));
  if (entry.step !== undefined && entry.after === undefined && !entry.unanswered)
    answer.append(element('span', 'effect', ' — what it left could not be listed: the state is that before it'));
}

function drawFailure() {
  const shown = index === failingIndex && index > 0;
  byId('failure').hidden = !shown;
  if (!shown) return;
  byId('failure-title').textContent = verdict.title;
  const rows = byId('failure-rows');
  rows.replaceChildren();
  for (const [title, text] of verdict.rows ?? [])
    rows.append(element('dt', '', title), element('dd', title.replace(/[^a-z]/g, ''), text));
}

// ---- The map: an overview of all of it, and the surroundings of what changed

/// With what is nobody's between the items, and which of them overlap what comes before.
function withGaps(map, cut) {
  const all = [];
  let covered = space.begin;
  for (const item of map) {
    if (item.begin > covered) all.push({begin: covered, end: item.begin, kind: 'lost'});
    all.push(item.begin < covered ? {...item, overlaps: true} : item);
    if (item.end > covered) covered = item.end;
  }
  if (covered < space.end && !cut) all.push({begin: covered, end: space.end, kind: 'lost'});
  return all;
}

function drawMap(entry, state, before) {
  const rows = [];
  if (index > 0 && entry.bytes.length > 0) rows.push({title: 'before', items: withGaps(before.map, entry.cut), faint: true});
  const source = start.observable === false ? 'model' : 'subject';
  rows.push({title: index === 0 ? 'now' : entry.model && index === failingIndex ? `after: ${source}` : 'after', items: withGaps(state.map, entry.cut), strong: true, overlapping: true});
  if (entry.model) rows.push({title: 'expected: model', items: withGaps(entry.model, false), strong: true});
  drawOverview(entry, withGaps(state.map, entry.cut), drawDetail(entry, rows));
  const notes = [];
  if (start.observable === false) notes.push('The subject does not list its areas: this is the model’s map.');
  if (entry.cut) notes.push('The lists are cut off: above the highest address that is drawn there is more.');
  if (entry.model) notes.push('What the subject holds is not what the model expects.');
  else if (start.observable !== false && index > 0 && entry.after !== undefined) notes.push('The model expects the same map.');
  byId('map-note').textContent = notes.join(' ');
}

/// What is printed is laid out for paper, whatever the width of the window.
let printing = false;
const widthOf = (place) => (printing ? 640 : place.clientWidth || 900);

function printed(begins) {
  printing = begins;
  draw();
}

/// All that there is. An address that is in a column of the rows below has the same x; what is lower or higher than
/// they show shares the margins.
function drawOverview(entry, items, {bounds, xs, width}) {
  const svg = byId('overview');
  const height = 46, top = 4, tall = 28;
  const scale = chosenScale();
  svg.replaceChildren();
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const begin = bounds[0], end = bounds.at(-1);
  const xOf = new Map(bounds.map((address, i) => [address, xs[i]]));
  const between = (low, high) => items.filter((item) => item.begin < high && low < item.end && item.begin < item.end)
    .map((item) => ({item, begin: item.begin < low ? low : item.begin, end: item.end > high ? high : item.end}));
  const margin = (pieces, from, to) => {
    const weights = pieces.map((piece) => weight(piece.end - piece.begin, scale));
    const total = weights.reduce((sum, one) => sum + one, 0);
    const room = to - from;
    return pieces.map((piece, i) => ({...piece, x1: from, x2: from += weights[i] / total * room}));
  };
  const lower = margin(between(space.begin, begin), 0, xs[0]);
  const higher = margin(between(end, space.end), xs.at(-1), width);
  const places = [...lower, ...between(begin, end).map((piece) => ({...piece, x1: xOf.get(piece.begin), x2: xOf.get(piece.end)})), ...higher];

  let group = null;
  const flush = () => {
    if (!group) return;
    const w = Math.max(group.x2 - group.x1 - (group.x2 - group.x1 > 4 ? 1 : 0), 0.4);
    svg.append(drawn('rect', {class: group.kind, x: group.x1, y: top, width: w, height: tall, 'data-begin': hex(group.begin)}));
    if (group.kind === 'l')
      for (let at = group.x1 + 3; at < group.x1 + w; at += 6)
        svg.append(drawn('line', {class: 'hatch', x1: at, y1: top + tall, x2: Math.min(at + 8, group.x1 + w), y2: top}));
    group = null;
  };
  for (const {item, begin, x1, x2} of places) {
    const w = x2 - x1;
    if (group && x1 >= group.x2 && x2 - group.x1 < 1.2) {
      if (w > group.widest) group.kind = item.kind, group.widest = w;
      group.x2 = x2;
    } else {
      flush();
      group = {kind: item.overlaps ? 'over' : item.kind, begin, x1, x2, widest: w};
    }
  }
  flush();
  for (const bytes of entry.bytes)
    for (const place of places)
      if (place.begin < bytes.end && bytes.begin < place.end) {
        const x1 = Math.max(place.x1, xOf.get(bytes.begin) ?? 0), x2 = Math.min(place.x2, xOf.get(bytes.end) ?? width);
        const middle = (x1 + x2) / 2;
        svg.append(drawn('path', {class: 'mark', d: `M${middle} ${top + tall + 2} l5 9 h-10 z`}));
        if (x2 - x1 > 10) svg.append(drawn('rect', {class: 'mark', x: x1, y: top + tall + 2, width: x2 - x1 - 1, height: 3}));
      }
  if (lower.length + higher.length > 0)
    svg.append(drawn('rect', {class: 'window', x: xs[0] + 0.75, y: 1, width: xs.at(-1) - xs[0] - 1.5, height: tall + 6}));
  const counted = (kind) => items.filter((item) => item.kind === kind).length;
  svg.setAttribute('aria-label', `${counted('b')} busy areas, ${counted('l')} lazily freed areas, ${counted('f')} free blocks in ${rangeText(space)}`);
  svg.onclick = (event) => {
    const at = (event.clientX - svg.getBoundingClientRect().left) / svg.getBoundingClientRect().width * width;
    const hit = places.find(({x1, x2}) => x1 <= at && at < x2);
    if (hit) look(hit.begin);
  };
}

/// Rows of cells over the same columns: a column lies between two addresses at which something begins or ends in any row.
///
///               0x1000    0x2000    0x3000     0x5000
///     before    |== a0 ==|······· free ·······|== a1 ==|
///     after     |== a0 ==|== a2 ==|·· free ···|== a1 ==|
///                        |________|
function drawDetail(entry, rows) {
  const detail = byId('detail');
  detail.replaceChildren();
  const bounds = [...new Set(rows.flatMap((row) => row.items.flatMap((item) => [item.begin, item.end])))]
    .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const width = Math.max(300, widthOf(detail));
  if (bounds.length < 2) return {bounds: [space.begin, space.end], xs: [0, width], width};
  const columns = bounds.length - 1;
  const narrow = !printing && narrowWindow.matches;
  const narrowest = narrowestColumn(rows, bounds.at(-1), narrow);
  // Titles stand to the left of their rows, or above them; the last address stands behind the last column.
  let left = narrow ? 0 : 84, right = narrowest;
  if (left + columns * narrowest + right > width) {
    const margin = width * (narrow ? 0.08 : 0.12);
    left = Math.max(left, margin);
    right = Math.max(right, margin);
  }
  const room = Math.max(width - left - right, narrowest);
  const most = Math.max(1, Math.floor(room / narrowest));

  const columnOf = (address) => {
    let low = 0, high = columns - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (bounds[middle] <= address) low = middle; else high = middle - 1;
    }
    return low;
  };
  // As many as fit, around what was chosen or what changed; else the same place as before.
  const changes = center === null ? entry.bytes : [];
  const first = columnOf(center ?? changes[0]?.begin ?? lastView.begin);
  const last = changes.length > 0 ? columnOf(changes.at(-1).end - 1n) : first;
  const fitting = Math.min(most, columns);
  const spare = Math.max(0, fitting - (last - first + 1));
  const from = Math.max(0, Math.min(first - (center === null && changes.length === 0 ? 0 : spare >> 1), columns - fitting));
  const to = from + fitting - 1;
  const view = {begin: bounds[from], end: bounds[to + 1]};
  // A look at lower or higher addresses moves by half of what is seen.
  const half = Math.max(1, fitting >> 1), middle = from + ((fitting - 1) >> 1);
  lastView = {
    begin: view.begin,
    lower: from > 0 ? bounds[Math.max(0, middle - half)] : null,
    higher: to < columns - 1 ? bounds[Math.min(columns - 1, middle + half)] : null,
  };

  const scale = chosenScale();
  const seen = bounds.slice(from, to + 2);
  const widths = shares(seen.slice(1).map((end, i) => Math.max(weight(end - seen[i], scale), 1e-9)), room, narrowest);
  const xs = [left];
  for (const one of widths) xs.push(xs.at(-1) + one);
  // Of the width, so that what is printed fits the paper.
  detail.style.gridTemplateColumns = [left, ...widths, width - xs.at(-1)].map((one) => `${one / width * 100}%`).join(' ');
  const put = (made, row, column, span = 1) => {
    made.style.gridRow = row;
    made.style.gridColumn = `${column} / span ${span}`;
    detail.append(made);
  };

  let line = 1;
  for (let i = from; i <= to + 1; ++i) put(tickOf(bounds[i]), line, i - from + 2);
  for (const row of rows) {
    put(element('div', row.strong ? 'title strong' : 'title', row.title), ++line, 1, narrow ? widths.length + 2 : 1);
    if (narrow) ++line;
    const firstLine = line;
    const lanes = [];
    for (const item of row.items) {
      if (item.end <= view.begin || item.begin >= view.end || item.begin >= item.end) continue;
      const first = columnOf(item.begin < view.begin ? view.begin : item.begin);
      const last = columnOf((item.end > view.end ? view.end : item.end) - 1n);
      let lane = lanes.findIndex((used) => used < first);
      if (lane < 0) lane = lanes.push(-1) - 1;
      lanes[lane] = last;
      put(cellOf(item, view, row), firstLine + lane, first - from + 2, last - first + 1);
      line = Math.max(line, firstLine + lane);
    }
    if (row.strong && row.overlapping) line = drawBrackets(entry, view, columnOf, from, line, put);
  }
  byId('view').textContent = from === 0 && to === columns - 1 ? 'all of it' : rangeText(view);
  byId('lower').disabled = lastView.lower === null;
  byId('higher').disabled = lastView.higher === null;
  byId('center').hidden = center === null || entry.bytes.length === 0;
  return {bounds: seen, xs, width};
}

/// Shares the room by weight, so that nobody gets less than `least`.
function shares(weights, room, least) {
  const got = weights.map(() => least);
  let open = weights.map((_, i) => i);
  for (let rest = room, few = null; few?.length !== 0; open = open.filter((i) => !few.includes(i))) {
    const total = open.reduce((sum, i) => sum + weights[i], 0);
    few = open.filter((i) => weights[i] / total * rest < least);
    if (few.length === 0) for (const i of open) got[i] = weights[i] / total * rest;
    rest -= few.length * least;
  }
  return got;
}

const narrowWindow = matchMedia('screen and (max-width: 640px)');

/// What the texts need: an address, and the name and the size of a cell. Sizes of letters are those of page.css.
function narrowestColumn(rows, highest, narrow) {
  const lettersOf = (lines) => Math.max(...lines.map((line) => line.length));
  const letter = narrow || printing ? {tick: 6.7, name: 7.3, size: 6.4, around: 14} : {tick: 7.3, name: 7.9, size: 7, around: 18};
  let most = lettersOf(hexLines(highest)) * letter.tick + 8;
  for (const {items} of rows)
    for (const item of items) {
      const inside = Math.max(lettersOf(nameLines(item)) * letter.name, lettersOf(hexLines(sizeOf(item))) * letter.size);
      most = Math.max(most, inside + letter.around + (item.kind === 'l' || item.kind === 'lost' ? 8 : 0));
    }
  return most;
}

let lastView = {begin: space.begin, lower: null, higher: null};

/// A long number on two lines, its lower 32 bits below.
function hexLines(number) {
  const text = hex(number);
  return text.length <= 10 ? [text] : [text.slice(0, -8), text.slice(-8)];
}

const sizeOf = (item) => (item.end > item.begin ? item.end - item.begin : 0n);
const nameLines = (item) => [item.label ?? kindWords[item.kind], ...(item.overlaps ? ['overlaps'] : [])];

/// Between the lines is a <br>, or a <wbr>: one line, where there is room.
function linesOf(tag, className, lines, between = 'br') {
  const made = element(tag, className);
  lines.forEach((line, i) => made.append(...(i === 0 ? [] : [element(between)]), line));
  return made;
}

function tickOf(address) {
  const tick = linesOf('div', 'tick', hexLines(address));
  tick.dataset.begin = hex(address);
  return tick;
}

function drawBrackets(entry, view, columnOf, from, line, put) {
  const seen = entry.bytes.filter((bytes) => bytes.begin < view.end && view.begin < bytes.end);
  if (seen.length === 0) return line;
  ++line;
  const columns = byId('detail').style.gridTemplateColumns.split(' ').length;
  for (const bytes of seen) {
    const first = columnOf(bytes.begin < view.begin ? view.begin : bytes.begin) - from + 2;
    const last = columnOf((bytes.end > view.end ? view.end : bytes.end) - 1n) - from + 2;
    put(element('div', 'bracket'), line, first, last - first + 1);
    if (seen.length > 1 || !entry.fit) {
      put(element('div', 'word', 'changed'), line + 1, first, last - first + 1);
      continue;
    }
    // Wider than its bracket, towards the side that has more room.
    const after = first + last <= columns;
    const word = element('div', after ? 'word after' : 'word before', `changed: ${entry.fit}`);
    put(word, line + 1, after ? first : 1, after ? columns - first + 1 : last);
  }
  return line + 1;
}

function cellOf(item, view, row) {
  const cell = element('div', `cell ${kindClasses[item.kind]}`);
  if (row.faint) cell.classList.add('faint');
  if (item.begin < view.begin) cell.classList.add('from');
  if (item.end > view.end) cell.classList.add('on');
  if (item.overlaps) cell.classList.add('overlaps');
  const size = sizeOf(item);
  cell.append(linesOf('b', '', nameLines(item)), linesOf('span', '', hexLines(size), 'wbr'));
  cell.title = `${item.label ? item.label + ', ' : ''}${kindWords[item.kind]} ${rangeText(item)}, ${hex(size)} = ${bytesText(size)}`;
  cell.dataset.begin = hex(item.begin < view.begin ? view.begin : item.begin);
  return cell;
}

function look(address) {
  center = address;
  draw();
}

// ---- The tree: a table, one node a row, and the links drawn over it

const treeRowsMax = 2000;
const nodesAlwaysDrawn = 48;

const node = {
  id: (n) => n[0], begin: (n) => number(n[1]), end: (n) => number(n[2]), red: (n) => n[3] === 1, max: (n) => number(n[4]),
  left: (n) => n[5], right: (n) => n[6], wrong: (n) => n.length > 7, expected: (n) => number(n[7]), defect: (n) => n[8],
};

function drawTree(entry, state, before) {
  const tree = byId('tree');
  const note = byId('tree-note');
  tree.replaceChildren();
  byId('whole-label').hidden = state.nodes.size <= nodesAlwaysDrawn;
  if (start.inspectable === false) {
    note.textContent = 'The subject does not show its tree.';
    return;
  }
  if (state.nodes.size === 0) {
    note.textContent = 'The tree is empty: nothing is free.';
    return;
  }
  const rows = treeRows(entry, state, before);
  const shown = rows.slice(0, treeRowsMax);
  tree.append(treeTable(shown, before));
  const wrong = [...state.nodes.values()].filter(node.wrong).length;
  const left = shown.reduce((sum, row) => sum + (row.more ?? 0), 0);
  note.textContent = `${state.nodes.size} ${state.nodes.size === 1 ? 'node' : 'nodes'}, ${wrong === 0 ? 'none of them wrong' : wrong + ' wrong'}.` +
    (left > 0 ? ` ${left} are left out: drawn is the way to what changed or is wrong.` : '') +
    (rows.length > shown.length ? ` Only the first ${treeRowsMax} rows are drawn.` : '');
}

/// In order of address: {node, depth, parent} with `parent` a row, or {more, depth, parent} for what is left out.
function treeRows(entry, state, before) {
  const all = byId('whole').checked || state.nodes.size <= nodesAlwaysDrawn;
  const touches = (n) => entry.bytes.some((bytes) => node.begin(n) <= bytes.end && bytes.begin <= node.end(n));
  // Children come after their parent in this order; a link that leads nowhere or back has been left out of the recording.
  const order = [];
  const open = [state.root];
  const parentOf = new Map();
  while (open.length > 0) {
    const n = state.nodes.get(open.pop());
    if (!n) continue;
    order.push(n);
    for (const child of [node.left(n), node.right(n)])
      if (state.nodes.has(child) && !parentOf.has(child)) parentOf.set(child, node.id(n)), open.push(child);
  }
  const onWay = new Set(), count = new Map();
  for (const n of order.toReversed()) {
    const below = [node.left(n), node.right(n)].filter((child) => parentOf.get(child) === node.id(n));
    count.set(node.id(n), 1 + below.reduce((sum, child) => sum + count.get(child), 0));
    if (all || node.id(n) === state.root || node.wrong(n) || touches(n) || (index > 0 && before.nodes.get(node.id(n)) !== n) || below.some((child) => onWay.has(child)))
      onWay.add(node.id(n));
  }
  // In order, without recursion: a tree that is no tree may be deep.
  const rows = [];
  const stack = [];
  const push = (id, depth, parent) => {
    const n = state.nodes.get(id);
    if (!n || (parent !== null && parentOf.get(id) !== parent)) return;
    if (!onWay.has(id) && (parent === null || !onWay.has(parent))) return;
    if (onWay.has(id)) stack.push({visit: n, depth, parent});
    else if (count.get(id) === 1) stack.push({row: {node: n, depth, parent}});
    else stack.push({row: {more: count.get(id), depth, parent}});
  };
  push(state.root, 0, null);
  while (stack.length > 0 && rows.length <= treeRowsMax) {
    const top = stack.pop();
    if (top.row) {
      rows.push(top.row);
      continue;
    }
    push(node.right(top.visit), top.depth + 1, node.id(top.visit));
    stack.push({row: {node: top.visit, depth: top.depth, parent: top.parent}});
    push(node.left(top.visit), top.depth + 1, node.id(top.visit));
  }
  return rows;
}

/// For each row the lines of links that run through it, [depth, from, to]: from its top, or from the height of its node,
/// to that height, or to its bottom. A link runs below or above the parent to the child's height, and then to the child.
function treeLinks(rows) {
  const links = rows.map(() => []);
  const rowOf = new Map(rows.map((row, i) => [row.node ? node.id(row.node) : null, i]));
  rows.forEach((row, i) => {
    const above = row.parent === null ? undefined : rowOf.get(row.parent);
    if (above === undefined) return;
    const depth = rows[above].depth, down = above < i;
    for (let at = Math.min(above, i); at <= Math.max(above, i); ++at)
      links[at].push([depth, at === above ? down : at === i ? !down : null]);
  });
  return links;
}

/// The links of one row, and its node. They follow the height of the row, whatever stands in it.
function treeDrawing(row, links, xOf) {
  const middle = 12;
  const svg = drawn('svg', {width: xOf(row.depth) + 12, 'aria-hidden': 'true'});
  for (const [depth, below] of links)
    svg.append(drawn('line', {x1: xOf(depth), y1: below === true ? middle : 0, x2: xOf(depth), y2: below === false ? middle : '100%'}));
  if (row.parent !== null) svg.append(drawn('line', {x1: xOf(row.depth - 1), y1: middle, x2: xOf(row.depth), y2: middle}));
  if (row.node) {
    const colour = node.red(row.node) ? 'red' : 'black';
    svg.append(drawn('circle', {class: colour, cx: xOf(row.depth), cy: middle, r: 8.5}),
               drawn('text', {x: xOf(row.depth), y: middle + 0.5}, colour === 'red' ? 'R' : 'B'));
  }
  return svg;
}

function treeTable(rows, before) {
  const titles = ['free block', 'size', 'subtree_max_size', ''];
  const table = element('table');
  const head = table.createTHead().insertRow();
  for (const title of titles) {
    const cell = element('th', '', title);
    cell.scope = 'col';
    head.append(cell);
  }
  // A deep tree is drawn steeper: at most a quarter of the width is for the links.
  const deepest = rows.reduce((most, row) => Math.max(most, row.depth), 0);
  const indent = Math.min(20, widthOf(byId('tree')) / 4 / Math.max(deepest, 1));
  const xOf = (depth) => 12 + depth * indent;
  table.style.setProperty('--indent', `${xOf(deepest) + 16}px`);
  const links = treeLinks(rows);
  const body = table.createTBody();
  rows.forEach((row, i) => {
    const line = body.insertRow();
    const cellWith = (text, title) => {
      const cell = line.insertCell();
      cell.textContent = text;
      if (title) cell.dataset.title = title;
      return cell;
    };
    const n = row.node;
    if (n) {
      line.setAttribute('aria-label', `${node.red(n) ? 'red' : 'black'} node, level ${row.depth}`);
      cellWith(`${hex(node.begin(n))}..`).append(element('wbr'), hex(node.end(n)));
      cellWith(hex(node.end(n) - node.begin(n)), titles[1]);
      cellWith(hex(node.max(n)), titles[2]).className = 'max';
      cellWith(remarkOn(n, before.nodes.get(node.id(n)), line)).className = 'remark';
    } else {
      line.className = 'more';
      cellWith(`${row.more} more nodes`).colSpan = titles.length;
      line.style.setProperty('--indent', `${xOf(row.depth) + 16}px`);
    }
    line.cells[0].prepend(treeDrawing(row, links[i], xOf));
  });
  return table;
}

/// What is wrong with the node, and what the step changed in it.
function remarkOn(n, was, line) {
  const words = [];
  if (node.wrong(n)) {
    line.className = 'wrong';
    if (node.expected(n) !== node.max(n)) words.push(`✗ WRONG: should be ${hex(node.expected(n))}`);
    if (node.defect(n)) words.push(`✗ WRONG: ${node.defect(n)}`);
  }
  if (index > 0 && was !== n) {
    line.classList.add('changed');
    if (!was) words.push('new');
    else {
      if (node.begin(was) !== node.begin(n) || node.end(was) !== node.end(n)) words.push(`was ${hex(node.begin(was))}..${hex(node.end(was))}`);
      if (node.max(was) !== node.max(n)) words.push(`max was ${hex(node.max(was))}`);
      if (node.red(was) !== node.red(n)) words.push(`was ${node.red(was) ? 'red' : 'black'}`);
      if (node.left(was) !== node.left(n) || node.right(was) !== node.right(n)) words.push('relinked');
    }
  }
  return words.join('; ');
}

// ---- The steps around this one

function drawSteps() {
  const body = byId('steps').tBodies[0];
  body.replaceChildren();
  const around = 5;
  const from = Math.max(0, Math.min(index - around, lastIndex - 2 * around));
  for (let i = from; i <= Math.min(lastIndex, from + 2 * around); ++i) {
    const line = body.insertRow();
    line.insertCell().textContent = i === 0 ? 'start' : entries[i].step;
    line.insertCell().textContent = i === 0 ? '' : entries[i].op;
    line.insertCell().textContent = i === 0 ? '' : entries[i].answer;
    if (i === index) line.setAttribute('aria-current', 'step');
    if (i === failingIndex) line.className = 'bad';
    line.onclick = () => go(i);
  }
}

// ---- Moving -----------------------------------------------------------------------------------------------------------

let waiting = false;

/// Draws once for each frame, however fast the slider moves.
function go(to) {
  const wanted = Math.max(0, Math.min(lastIndex, to));
  if (wanted === index) return;
  index = wanted;
  center = null;
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const target = event.target;
  if (target.matches('input[type=number], input[type=radio]')) return;
  const moves = {
    ArrowLeft: index - 1, ArrowRight: index + 1, PageUp: index - 10, PageDown: index + 10, Home: 0, End: lastIndex,
    f: failingIndex > 0 ? failingIndex : index,
  };
  if (!Object.hasOwn(moves, event.key)) return;
  event.preventDefault();
  go(moves[event.key]);
}

function begin() {
  document.title = `${about.file} — vmapcheck`;
  byId('file').textContent = about.file;
  byId('about').textContent = `${about.ops} ${about.ops === 1 ? 'op' : 'ops'} in 0x${about.begin}..0x${about.end}, granule 0x${about.granule}` +
    (about.lazy_limit ? `, lazy limit 0x${about.lazy_limit}` : '') + `; subject ${about.subject}`;
  byId('verdict').textContent = (verdict.ok ? '✓ ' : '✗ ') + verdict.title;
  byId('verdict').className = verdict.ok ? 'ok' : 'bad';
  for (const note of about.notes) byId('notes').append(element('li', '', note));
  byId('comments').hidden = about.comments.length === 0;
  byId('comments').querySelector('pre').textContent = about.comments.join('\n');
  byId('replay').textContent = `Run it again: ${about.replay}`;

  byId('slider').max = lastIndex;
  byId('number').min = firstStep;
  byId('number').max = lastIndex > 0 ? entries[lastIndex].step : 0;
  byId('jump').hidden = failingIndex < 1;
  byId('slider').addEventListener('input', () => go(Number(byId('slider').value)));
  byId('number').addEventListener('change', () => {
    if (byId('number').value !== '') go(Math.max(1, Number(byId('number').value) - firstStep + 1));
  });
  byId('first').onclick = () => go(0);
  byId('previous').onclick = () => go(index - 1);
  byId('next').onclick = () => go(index + 1);
  byId('last').onclick = () => go(lastIndex);
  byId('jump').onclick = () => go(failingIndex);
  byId('whole').onchange = draw;
  byId('lower').onclick = () => look(lastView.lower);
  byId('higher').onclick = () => look(lastView.higher);
  byId('center').onclick = () => look(null);
  for (const radio of document.querySelectorAll('input[name=scale]')) radio.onchange = draw;
  document.addEventListener('keydown', onKey);
  window.addEventListener('resize', draw);
  window.addEventListener('beforeprint', () => printed(true));
  window.addEventListener('afterprint', () => printed(false));

  index = failingIndex > 0 ? failingIndex : Math.min(1, lastIndex);
  draw();
}

begin();
