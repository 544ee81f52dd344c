/** A running image: what `docker run`, `docker exec` and `docker stop` do, without Docker. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { IMAGE_USER, type Image } from './image.ts';

/** Why there can be no real container here; false when there can. */
export function cannotContain(): string | false {
  if (process.getuid?.() !== 0) return 'only root can make a container; the image runs as this user instead';
  const { status } = spawnSync('unshare', ['--mount', '--pid', '--fork', 'true']);
  return status !== 0 && 'this system lets nobody unshare mounts and processes';
}

/** What a `docker run` would give it. */
export interface ContainerOptions {
  /** Folder that becomes `/data`. */
  readonly data: string;
  /** Folder that becomes `/run/secrets`. */
  readonly secrets: string;
  /** Besides the image's, and instead of it. */
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of the image's CMD. */
  readonly command?: readonly string[];
  /** Whether it has a `/tmp` in memory, as compose.yaml gives it one. Default: it can write into `/data` and nowhere else. */
  readonly hasTmp?: boolean;
}

/** Starts the image, and resolves when it has printed its first line, or has ended. */
export async function runImage(image: Image, options: ContainerOptions): Promise<Container> {
  const container =
    cannotContain() === false ? new Contained(image, options) : new Uncontained(image, options);
  await container.spoken;
  return container;
}

export abstract class Container implements AsyncDisposable {
  /** All that it wrote. */
  readonly written = { stdout: '', stderr: '' };
  /** Resolves with its exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** Resolves when its first line has come, or it has ended. */
  readonly spoken: Promise<unknown>;
  protected readonly child: ChildProcess;

  protected constructor(child: ChildProcess) {
    this.child = child;
    this.exited = once(child, 'exit').then(([code]) => code as number | null);
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        this.written[name] += text;
      });
    }
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    this.spoken = Promise.race([once(lines, 'line'), this.exited]);
  }

  /** The address that it has printed. */
  get url(): string {
    return /https?:\S+/.exec(this.written.stdout)?.[0] ?? '';
  }

  /** Its first process, as the machine numbers it. */
  abstract get pid(): number;

  /** Runs something else in it, as `docker exec` does. Rejects when that fails. */
  abstract exec(command: readonly string[]): Promise<{ stdout: string; stderr: string }>;

  /** Sends a signal to its first process, as `docker stop` does, and resolves with its exit code. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    process.kill(this.pid, signal);
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }
}

/** Directories and files that the base image, or the engine, brings. */
const SYSTEM_FOLDERS = ['usr/bin', 'usr/lib', 'usr/lib64'];
const DEVICES = ['null', 'zero', 'random', 'urandom'];
const EMPTY_FOLDERS = [...SYSTEM_FOLDERS, 'proc', 'dev', 'etc', 'run/secrets', 'tmp', 'usr/local/bin'];

/** The image's user, without a right and without a way to get one. */
const ENTER = `setpriv --reuid=${IMAGE_USER} --regid=${IMAGE_USER} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all`;

const MOUNT_AND_RUN = `
  mount --bind "$ROOT" "$ROOT"
  for folder in ${SYSTEM_FOLDERS.join(' ')}; do
    test ! -d "/$folder" || { mount --bind "/$folder" "$ROOT/$folder"; mount -o remount,bind,ro "$ROOT/$folder"; }
  done
  for device in ${DEVICES.join(' ')}; do mount --bind "/dev/$device" "$ROOT/dev/$device"; done
  mount -t proc proc "$ROOT/proc"
  mount -o remount,bind,ro "$ROOT"
  mount --bind "$DATA" "$ROOT/data"
  mount --bind "$SECRETS" "$ROOT/run/secrets"
  mount -o remount,bind,ro "$ROOT/run/secrets"
  test -z "$TMP" || mount -t tmpfs -o mode=1777,size=64m tmpfs "$ROOT/tmp"
  # Whoever becomes another user outlives his parent, unless he asks not to.
  exec chroot "$ROOT" ${ENTER} --pdeathsig=KILL env --ignore-environment --chdir="$WORKDIR" "$@"`;

/**
 * A container as far as Linux gives one to root: the image's directory as `/`, read-only, with no place to write but
 * `/data`; processes of its own; the image's user. From the machine come the network and what the base image would
 * bring: system libraries and this Node.
 */
class Contained extends Container {
  readonly #env: readonly string[];
  readonly #workDir: string;

  constructor(image: Image, { data, secrets, env, command, hasTmp = false }: ContainerOptions) {
    const { config, root } = image;
    furnish(root);
    const words = Object.entries({ PATH: '/usr/local/bin:/usr/bin', ...config.env, ...env }).map(
      ([name, value]) => `${name}=${value}`,
    );
    const main = [...words, ...config.entrypoint, ...(command ?? config.command)];
    super(
      spawn(
        'unshare',
        ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-ec', MOUNT_AND_RUN, 'sh', ...main],
        {
          stdio: ['ignore', 'pipe', 'pipe'],
          env: {
            PATH: process.env.PATH,
            ROOT: root,
            DATA: data,
            SECRETS: secrets,
            WORKDIR: config.workDir,
            TMP: hasTmp ? 'yes' : '',
          },
        },
      ),
    );
    this.#env = words;
    this.#workDir = config.workDir;
  }

  get pid(): number {
    const unshare = this.child.pid;
    return Number(readFileSync(`/proc/${unshare}/task/${unshare}/children`, 'utf8').trim());
  }

  exec(command: readonly string[]): Promise<{ stdout: string; stderr: string }> {
    const enter = ['--target', String(this.pid), '--mount', '--pid', '--root', ...ENTER.split(' ')];
    const env = ['env', '--ignore-environment', `--chdir=${this.#workDir}`, ...this.#env];
    return promisify(execFile)('nsenter', [...enter, ...env, ...command]);
  }
}

/** Lays under the image what is not of it. Done once, it stays. */
function furnish(root: string): void {
  if (existsSync(join(root, 'etc'))) return;
  for (const folder of EMPTY_FOLDERS) mkdirSync(join(root, folder), { recursive: true });
  for (const device of DEVICES) writeFileSync(join(root, 'dev', device), '');
  for (const folder of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${folder}`, join(root, folder));
  copyFileSync(process.execPath, join(root, 'usr/local/bin/node'));
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost\n');
  const user = `databox:x:${IMAGE_USER}:${IMAGE_USER}::/nonexistent:/usr/sbin/nologin\n`;
  writeFileSync(join(root, 'etc/passwd'), user);
}

/** The image's files and environment, run by whoever runs this; where it would be `/`, its directory is put in front. */
class Uncontained extends Container {
  readonly #image: Image;
  readonly #env: NodeJS.ProcessEnv;

  constructor(image: Image, { data, secrets, env, command }: ContainerOptions) {
    const { config } = image;
    const all = { ...config.env, EXPORT_DATA_DIR: data, EXPORT_SECRETS_DIR: secrets, ...env };
    const words = [...config.entrypoint, ...(command ?? config.command)];
    // `/` stands for a working directory that nothing can be written into.
    const options = { stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'], env: all, cwd: '/' };
    super(spawn(process.execPath, inside(image, words).slice(1), options));
    this.#image = image;
    this.#env = all;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  exec(command: readonly string[]): Promise<{ stdout: string; stderr: string }> {
    const isLauncher = command[0] === 'export-service';
    const words = isLauncher ? ['node', '/app/bin/export-service.js', ...command.slice(1)] : command;
    const [, ...args] = inside(this.#image, words);
    return promisify(execFile)(process.execPath, args, { env: this.#env, cwd: '/' });
  }
}

function inside({ root }: Image, words: readonly string[]): string[] {
  return words.map((word) => (word.startsWith('/app/') ? join(root, word) : word));
}
