import { ERROR_ENTRIES, type ErrorEntry, FAILURE_TEXTS, type FailureText } from './error-texts.ts';

/**
 * The API page as HTML. The sections about errors are in it as text, each under the id that the `type` of a problem
 * names; the reference is drawn over them by a script, from /openapi.json. Addresses are relative, so that the page also
 * works behind a proxy that puts it under a path of its own.
 */
export function docsPage(version: string, redocPath: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Databox export service: API</title>
<link rel="stylesheet" href="docs/page.css">
<link rel="icon" href="data:,">
</head>
<body>
<header>
<h1>Databox export service ${html(version)}</h1>
<nav><a href="#">Reference</a> · <a href="#errors">Errors</a> · <a href="openapi.json">openapi.json</a></nav>
</header>
<noscript>The reference needs JavaScript; <a href="openapi.json">openapi.json</a> holds all of it.</noscript>
<div id="reference"></div>
<main id="errors">
<h2>Errors</h2>
<p>Every refusal is <code>application/problem+json</code> (RFC 9457) with a stable <code>code</code> to branch on and a
<code>detail</code> that says what was wrong and what to do. A request that is wrong in several ways gets the error that
is judged first, in the order of this page. An export that was refused was not queued; where that is not certain, the
section says so.</p>
${ERROR_ENTRIES.map(errorSection).join('\n')}
<h2 id="failures">When an export ends without an answer</h2>
<p>Then it is <code>Finished</code>, and its <code>ext_response</code> has an <code>error</code> with one of these codes;
an answer of the destination never has one.</p>
${FAILURE_TEXTS.map(failureSection).join('\n')}
</main>
<script src="${html(redocPath)}"></script>
<script type="module" src="docs/page.js"></script>
</body>
</html>
`;
}

function errorSection({ code, status, title, when, remedy }: ErrorEntry): string {
  return `<section id="${code}">
<h3><a href="#${code}"><code>${code}</code></a> <span class="status">${status} · ${html(title)}</span></h3>
<p>When ${inline(when)}.</p>
<p>${inline(remedy)}</p>
</section>`;
}

function failureSection({ code, status, what }: FailureText): string {
  return `<section id="${code}">
<h3><a href="#${code}"><code>${code}</code></a> <span class="status">${html(status)}</span></h3>
<p>${inline(capitalised(what))}.</p>
</section>`;
}

/** Our own Markdown, of which only code is used inside a sentence. */
function inline(markdown: string): string {
  return html(markdown).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}

function html(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
