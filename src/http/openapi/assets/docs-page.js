// The API page in a browser: draws the reference, and shows the errors instead when the address names one.
/* global Redoc */

const errors = document.getElementById('errors');
const reference = document.getElementById('reference');

/** A code leads to its section, and everything else is the reference's own. */
function follow() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const isError = target !== null && errors.contains(target);
  document.body.dataset.view = isError ? 'errors' : 'reference';
  if (isError) target.scrollIntoView();
}

addEventListener('hashchange', follow);
follow();

Redoc.init(
  'openapi.json',
  {
    scrollYOffset: 56,
    nativeScrollbars: true,
    hideDownloadButton: true,
    expandResponses: '200',
    jsonSampleExpandLevel: 4,
    theme: {
      typography: {
        fontSize: '15px',
        fontFamily: 'system-ui, sans-serif',
        headings: { fontFamily: 'system-ui, sans-serif', fontWeight: '600' },
        code: { fontFamily: 'ui-monospace, monospace', fontSize: '13px', wrap: true },
      },
      colors: { primary: { main: '#14532d' } },
      sidebar: { width: '240px' },
    },
  },
  reference,
  follow,
);
