'use strict';
// The plots have all there is to see; this tells the values at one time in all of them, where the pointer is or the arrow
// keys lead.
const samples = JSON.parse(document.getElementById('samples').textContent);
const plots = [...document.querySelectorAll('.plot')].map((figure) => {
  const svg = figure.querySelector('svg');
  const at = (name) => Number(svg.dataset[name]);
  const output = figure.querySelector('output');
  return {svg, at, output, before: output.textContent, cursor: null};
});

function timeText(seconds) {
  const two = (n) => String(n).padStart(2, '0');
  if (seconds < 60) return `${Math.round(seconds * 10) / 10} s`;
  const s = Math.round(seconds), h = Math.floor(s / 3600);
  return h > 0 ? `${h}h ${two(Math.floor(s / 60) % 60)}m ${two(s % 60)}s` : `${Math.floor(s / 60)}m ${two(s % 60)}s`;
}

/// The sample that is nearest in time; they ascend.
function nearest(seconds) {
  let low = 0, high = samples.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (samples[middle][0] < seconds) low = middle + 1;
    else high = middle;
  }
  return low > 0 && seconds - samples[low - 1][0] < samples[low][0] - seconds ? low - 1 : low;
}

let shown = -1;

function show(index) {
  shown = index;
  for (const plot of plots) {
    plot.cursor?.remove();
    plot.cursor = null;
    if (index < 0) {
      plot.output.textContent = plot.before;
      continue;
    }
    const sample = samples[index];
    const x = plot.at('left') + (plot.at('right') - plot.at('left')) * sample[0] / plot.at('end');
    plot.cursor = document.createElementNS('http://www.w3.org/2000/svg', 'line');
    for (const [name, value] of Object.entries({class: 'cursor', x1: x, x2: x, y1: plot.at('top'), y2: plot.at('bottom')}))
      plot.cursor.setAttribute(name, value);
    plot.svg.append(plot.cursor);
    plot.output.textContent = `${timeText(sample[0])}: ${sample[plot.at('field')].toLocaleString('en-US')}`;
  }
}

for (const plot of plots) {
  plot.svg.addEventListener('pointermove', (event) => {
    const box = plot.svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * plot.svg.viewBox.baseVal.width / box.width;
    const part = (x - plot.at('left')) / (plot.at('right') - plot.at('left'));
    show(nearest(Math.min(1, Math.max(0, part)) * plot.at('end')));
  });
  plot.svg.addEventListener('pointerleave', () => show(-1));
  plot.svg.addEventListener('blur', () => show(-1));
  plot.svg.addEventListener('keydown', (event) => {
    const moves = {ArrowLeft: shown - 1, ArrowRight: shown + 1, Home: 0, End: samples.length - 1};
    if (event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    show(Math.min(samples.length - 1, Math.max(0, shown < 0 && event.key === 'ArrowLeft' ? samples.length - 1 : moves[event.key])));
  });
}
