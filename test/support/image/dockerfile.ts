/** As much of Dockerfiles as ours uses; anything else is refused, so that nothing is overlooked. */

export interface Instruction {
  readonly keyword: string;
  /** Flags such as `--from=build`, by their names. */
  readonly flags: Readonly<Record<string, string>>;
  /** What follows the flags, on one line. */
  readonly text: string;
}

export interface Stage {
  readonly from: string;
  readonly platform: string | null;
  readonly name: string | null;
  readonly instructions: readonly Instruction[];
}

/** What an image says about itself. */
export interface ImageConfig {
  readonly labels: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly exposed: readonly string[];
  readonly volumes: readonly string[];
  readonly user: string;
  readonly workDir: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthCheck: {
    readonly flags: Readonly<Record<string, string>>;
    readonly command: readonly string[];
  };
}

const KNOWN = new Set(
  'ARG FROM WORKDIR COPY RUN LABEL ENV EXPOSE VOLUME USER HEALTHCHECK ENTRYPOINT CMD'.split(' '),
);

/** @throws Error for what is not known here */
export function parseDockerfile(text: string): { args: Record<string, string>; stages: Stage[] } {
  const args: Record<string, string> = {};
  const stages: {
    from: string;
    platform: string | null;
    name: string | null;
    instructions: Instruction[];
  }[] = [];
  for (const instruction of instructionsOf(text)) {
    const stage = stages.at(-1);
    if (instruction.keyword === 'FROM') {
      const [, image = '', name = null] = /^(\S+)(?: AS (\S+))?$/.exec(instruction.text) ?? [];
      stages.push({
        from: expand(image, args),
        platform: instruction.flags.platform ?? null,
        name,
        instructions: [],
      });
    } else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.keyword === 'ARG') Object.assign(args, Object.fromEntries([pair(instruction.text)]));
    else throw new Error(`${instruction.keyword} before the first FROM`);
  }
  return { args, stages };
}

/** What the last stage says; of what is said twice the last counts, as Docker has it. */
export function configOf({ instructions }: Stage): ImageConfig {
  const all = (keyword: string) => instructions.filter((one) => one.keyword === keyword);
  const last = (keyword: string) => all(keyword).at(-1)?.text ?? '';
  const check = all('HEALTHCHECK').at(-1);
  return {
    labels: Object.fromEntries(all('LABEL').flatMap(({ text }) => pairs(text))),
    env: Object.fromEntries(all('ENV').flatMap(({ text }) => pairs(text))),
    exposed: all('EXPOSE').map(({ text }) => text),
    volumes: all('VOLUME').map(({ text }) => text),
    user: last('USER'),
    workDir: last('WORKDIR'),
    entrypoint: execForm(last('ENTRYPOINT')),
    command: execForm(last('CMD')),
    healthCheck: { flags: check?.flags ?? {}, command: execForm(check?.text.replace(/^CMD /, '') ?? '') },
  };
}

/** Only the exec form: with a shell in between, no signal would reach the service. */
function execForm(text: string): string[] {
  const words: unknown = JSON.parse(text);
  if (Array.isArray(words) && words.every((word) => typeof word === 'string')) return words;
  throw new Error(`${text} is not in the exec form`);
}

function instructionsOf(text: string): Instruction[] {
  const lines = text.split('\n').filter((line) => !/^\s*#/.test(line));
  const whole = lines.join('\n').replace(/\s*\\\n\s*/g, ' ');
  return whole
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(parseInstruction);
}

function parseInstruction(line: string): Instruction {
  const [, keyword = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
  if (!KNOWN.has(keyword)) throw new Error(`not known here: ${line}`);
  const [flagText = ''] = /^(?:--[a-z-]+=\S+\s+)*/.exec(rest) ?? [];
  const flags = [...flagText.matchAll(/--([a-z-]+)=(\S+)/g)].map(([, name = '', value = '']) => [
    name,
    value,
  ]);
  return { keyword, flags: Object.fromEntries(flags), text: rest.slice(flagText.length).trim() };
}

function expand(text: string, args: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{(\w+)\}/g, (_, name: string) => args[name] ?? '');
}

/** `a=b c="d e"` */
function pairs(text: string): [string, string][] {
  return (text.match(/[^\s=]+=(?:"[^"]*"|\S*)/g) ?? []).map(pair);
}

function pair(text: string): [string, string] {
  const equals = text.indexOf('=');
  return [text.slice(0, equals), text.slice(equals + 1).replace(/^"(.*)"$/, '$1')];
}
