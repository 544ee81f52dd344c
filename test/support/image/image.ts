/**
 * The image without Docker: the Dockerfile's own instructions are carried out in a directory that stands for the root
 * of the image, by a user without rights where this process may choose one. What it stands on is not made here: the
 * base image, and the one RUN of the last stage, which needs root and is checked by its words.
 */
import { execFileSync } from 'node:child_process';
import { chownSync, cpSync, globSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, matchesGlob } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TemporaryDirectory } from '../temporary-store.ts';
import { configOf, type ImageConfig, type Instruction, parseDockerfile, type Stage } from './dockerfile.ts';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The user of the image, by its number; its name is nobody's here. */
export const IMAGE_USER = 10_001;

export function readDockerfile(): { stages: Stage[]; build: Stage; final: Stage; config: ImageConfig } {
  const { stages } = parseDockerfile(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));
  const [build, final] = stages;
  if (build === undefined || final === undefined || stages.length !== 2)
    throw new Error('two stages are known here');
  return { stages, build, final, config: configOf(final) };
}

/** The files of the image above its base, in a directory of their own. */
export class Image implements Disposable {
  readonly config: ImageConfig;
  readonly #directory = new TemporaryDirectory();

  private constructor(config: ImageConfig) {
    this.config = config;
  }

  /**
   * Builds it. Takes about a minute, and the registry.
   *
   * @param platform `amd64` or `arm64`, as Docker calls them; default this machine's
   */
  static build(platform = process.arch === 'x64' ? 'amd64' : 'arm64'): Image {
    const { build, final, config } = readDockerfile();
    const image = new Image(config);
    try {
      image.#makeRoots();
      for (const instruction of build.instructions) image.#build(instruction, platform);
      for (const instruction of final.instructions) image.#compose(instruction);
      return image;
    } catch (error) {
      image[Symbol.dispose]();
      throw error;
    }
  }

  /** Where the image's `/` is. */
  get root(): string {
    return this.#directory.file('image');
  }

  /** Bytes of all files above the base. */
  get bytes(): number {
    const files = globSync('**/*', { cwd: join(this.root, 'app'), withFileTypes: true });
    return files
      .filter((file) => file.isFile())
      .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }

  get #buildRoot(): string {
    return this.#directory.file('build');
  }

  #makeRoots(): void {
    for (const folder of [this.#buildRoot, join(this.#buildRoot, 'home'), this.root]) {
      mkdirSync(folder);
      give(folder);
    }
    give(this.#directory.path);
  }

  #build({ keyword, flags, text }: Instruction, platform: string): void {
    const workDir = join(this.#buildRoot, 'build');
    if (keyword === 'WORKDIR' && text === '/build') mkdirOurs(workDir);
    else if (keyword === 'COPY' && flags.from === undefined)
      copyContext(text.split(' ').slice(0, -1), workDir);
    else if (keyword === 'RUN') this.#run(text, workDir, platform);
    else if (keyword !== 'ARG') throw new Error(`not known in the first stage: ${keyword} ${text}`);
  }

  /** In the environment that the base image gives: a PATH, and what the stage has asked for; and this machine's network. */
  #run(command: string, cwd: string, platform: string): void {
    const PATH = `${dirname(process.execPath)}:/usr/bin:/bin`;
    const env = { PATH, HOME: join(this.#buildRoot, 'home'), TARGETARCH: platform, ...networkEnv() };
    try {
      execFileSync('/bin/sh', ['-c', command], { cwd, env, ...ours(), encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`${command} failed:\n${stdout}${stderr}`);
    }
  }

  #compose({ keyword, flags, text }: Instruction): void {
    if (keyword === 'COPY' && flags.from === 'build') this.#copyFromBuild(text.split(' '));
    // What it does is part of what the tests stand on: the user, the folder and the link.
    else if (keyword === 'RUN') this.#standIn();
    else if (keyword === 'COPY') throw new Error(`not known in the last stage: ${keyword} ${text}`);
  }

  #copyFromBuild(words: readonly string[]): void {
    const to = join(this.root, words.at(-1) ?? '');
    for (const source of words.slice(0, -1)) {
      const isIntoFolder = words.at(-1)?.endsWith('/');
      const target = isIntoFolder ? join(to, basename(source)) : to;
      mkdirOurs(dirname(target));
      cpSync(join(this.#buildRoot, source), target, { recursive: true, verbatimSymlinks: true });
    }
  }

  #standIn(): void {
    mkdirOurs(join(this.root, 'usr/local/bin'));
    symlinkSync('/app/bin/export-service.js', join(this.root, 'usr/local/bin/export-service'));
    mkdirSync(join(this.root, 'data'), { mode: 0o700 });
    give(join(this.root, 'data'));
  }
}

/** What reaches a builder: .dockerignore, whose later lines outdo earlier ones. */
export function contextFiles(): string[] {
  const rules = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ isTakenIn: line.startsWith('!'), pattern: line.replace(/^!/, '') }));
  const isTakenIn = (file: string): boolean =>
    rules.findLast(({ pattern }) => matches(file, pattern))?.isTakenIn ?? true;
  const exclude = (path: string): boolean => /(^|\/)(node_modules|\.git|dist)$/.test(path);
  const files = globSync('**/*', { cwd: ROOT, withFileTypes: true, exclude: (entry) => exclude(entry.name) });
  return files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(ROOT.length).replace(/^\//, ''))
    .filter(isTakenIn)
    .sort();
}

/** A pattern is about a path and about all that is below it. */
function matches(file: string, pattern: string): boolean {
  return matchesGlob(file, pattern) || matchesGlob(file, `${pattern}/**`);
}

function copyContext(sources: readonly string[], to: string): void {
  const files = contextFiles().filter((file) => sources.includes('.') || sources.includes(file));
  for (const file of files) {
    mkdirOurs(dirname(join(to, file)));
    cpSync(join(ROOT, file), join(to, file));
    give(join(to, file));
  }
}

/** Makes a folder and those above it for the user of the image. */
function mkdirOurs(folder: string): void {
  const first = mkdirSync(folder, { recursive: true });
  for (let made = folder; first !== undefined && made.length >= first.length; made = dirname(made))
    give(made);
}

/** How this machine reaches the registry. */
function networkEnv(): NodeJS.ProcessEnv {
  const isOfNetwork = (name: string) =>
    /^(npm_config_(registry|cafile)|NODE_EXTRA_CA_CERTS|\w+_proxy)$/i.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => isOfNetwork(name)));
}

/** Root runs commands as a user without rights; anybody else has none to give up. */
function ours(): { uid?: number; gid?: number } {
  return process.getuid?.() === 0 ? { uid: IMAGE_USER, gid: IMAGE_USER } : {};
}

function give(path: string): void {
  if (process.getuid?.() === 0) chownSync(path, IMAGE_USER, IMAGE_USER);
}
