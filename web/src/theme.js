// Colours drawn on canvases, where CSS can't reach; the same as in style.css.

export const FONT = 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

export const COLORS = {
  land: '#2a3744',
  border: '#46586a',
  label: '#9fb1c1',
  grid: 'rgba(159, 177, 193, 0.13)',
  footprint: '#f2b451',
  halo: 'rgba(10, 16, 22, 0.65)',
  series: '#5ad1b0',
  now: '#f2b451',
  text: '#e8eef3',
  quiet: '#9fb1c1',
  axis: 'rgba(159, 177, 193, 0.16)',
};
