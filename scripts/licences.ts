/**
 * Lists every package that the service runs with: name, version, licence; `--json` for programs. Ends with 1 where a licence
 * is none of those that we know to be free to use, change and pass on.
 */
import { parseArgs } from 'node:util';
import { billOfMaterials } from './release/bill-of-materials.ts';

/** Permissive ones, by their SPDX names, and one that asks only for changes of its own files: libzmq's. */
const KNOWN = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'MIT-0',
  'MPL-2.0',
]);

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
const packages = billOfMaterials()
  .components.map(({ group, name, version, licenses }) => ({
    name: group === undefined ? name : `${group}/${name}`,
    version,
    licence:
      licenses?.map(({ license, expression }) => license?.id ?? expression).join(' AND ') ?? 'none stated',
  }))
  .sort((a, b) => a.name.localeCompare(b.name));

if (values.json) process.stdout.write(`${JSON.stringify(packages, null, 2)}\n`);
else {
  const width = Math.max(...packages.map(({ name, version }) => name.length + version.length + 1));
  for (const { name, version, licence } of packages)
    process.stdout.write(`${`${name}@${version}`.padEnd(width)}  ${licence}\n`);
}
const unknown = packages.filter(({ licence }) => !isKnown(licence));
for (const { name, licence } of unknown)
  process.stderr.write(`${name}: ${licence} is not a licence we know\n`);
if (unknown.length > 0) process.exitCode = 1;

/** Of `(A OR B)` one is enough; of `A AND B` all are needed. */
function isKnown(licence: string): boolean {
  return licence
    .replaceAll(/[()]/g, '')
    .split(' AND ')
    .every((all) => all.split(' OR ').some((one) => KNOWN.has(one)));
}
