/**
 * `npm run bench:setup`: installs what the benches compare with. The peers' packages go into bench/peers alone; Redis and
 * strace come from Debian, when they are not there and we may install them. PostgreSQL is there with the tests' packages.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { hasProgram, postgresBinary } from './support/databases.ts';

const PROGRAMS = { 'redis-server': 'redis-server', strace: 'strace' };

execFileSync('npm', ['ci'], { cwd: fileURLToPath(new URL('./peers', import.meta.url)), stdio: 'inherit' });
const missing = Object.entries(PROGRAMS).flatMap(([program, name]) => (hasProgram(program) ? [] : name));
if (missing.length > 0 && process.getuid?.() === 0) {
  execFileSync('apt-get', ['update'], { stdio: 'inherit' });
  execFileSync('apt-get', ['install', '--yes', '--no-install-recommends', ...missing], { stdio: 'inherit' });
} else if (missing.length > 0) {
  console.error(`Install these packages of your system, as root: ${missing.join(' ')}`);
  process.exitCode = 1;
}
console.log(`PostgreSQL: ${postgresBinary('postgres')}`);
