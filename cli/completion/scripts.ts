import type { CommandTree, CompletedFlag } from './tree.ts';

/** Every command of the tree, the nameless one first. */
function all(tree: CommandTree): readonly CommandTree[] {
  return [tree, ...tree.commands.flatMap(all)];
}

function pathOf({ words }: CommandTree): string {
  return words.join(' ');
}

/** A word of a script, whatever is in it. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** What leads from one command to the next: `'/store'`, `'store/backup'`. */
function steps(tree: CommandTree): string {
  const found = all(tree)
    .slice(1)
    .map(({ words }) => shellQuote(`${words.slice(0, -1).join(' ')}/${words.at(-1)}`));
  return found.join('|');
}

function namesOf({ name, short }: CompletedFlag): readonly string[] {
  return short === null ? [name] : [name, short];
}

/** Commands and their flags whose value is of a kind: `'send --to'|'send --url'`. */
function flagPatterns(tree: CommandTree, value: CompletedFlag['value']): string {
  return all(tree)
    .flatMap((command) =>
      command.flags
        .filter((flag) => flag.value === value)
        .flatMap(namesOf)
        .map((name) => shellQuote(`${pathOf(command)} ${name}`)),
    )
    .join('|');
}

export function bashScript(tree: CommandTree): string {
  const cases = all(tree).map((command) => {
    const words = [
      ...command.commands.map(({ words: own }) => own.at(-1)),
      ...command.flags.map(({ name }) => name),
    ];
    return `    ${shellQuote(pathOf(command))}) words=${shellQuote(words.join(' '))} ;;`;
  });
  return `# Completion of export-service for bash.
_export_service() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local command='' words='' index
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "$command/\${COMP_WORDS[index]}" in
      ${steps(tree)}) command="\${command:+$command }\${COMP_WORDS[index]}" ;;
    esac
  done
  COMPREPLY=()
  case "$command $previous" in
    ${flagPatterns(tree, 'file')})
      compopt -o default 2>/dev/null
      return ;;
    ${flagPatterns(tree, 'other')})
      return ;;
  esac
  case "$command" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case "$command" in
    ${filePatterns(tree)}) [[ "$current" == -* ]] || compopt -o default 2>/dev/null ;;
  esac
}
complete -F _export_service export-service
`;
}

export function zshScript(tree: CommandTree): string {
  const cases = all(tree).map((command) => {
    const found = [
      ...command.commands.map(({ words, summary }) => described(words.at(-1) ?? '', summary)),
      ...command.flags.map(({ name, meaning }) => described(name, meaning)),
    ];
    return `    ${shellQuote(pathOf(command))}) found=(${found.join(' ')}) ;;`;
  });
  return `#compdef export-service
# Completion of export-service for zsh.
_export_service() {
  local command=''
  local -i index
  local -a found
  for ((index = 2; index < CURRENT; index++)); do
    case "$command/\${words[index]}" in
      ${steps(tree)}) command="\${command:+$command }\${words[index]}" ;;
    esac
  done
  case "$command \${words[CURRENT-1]}" in
    ${flagPatterns(tree, 'file')}) _files; return ;;
    ${flagPatterns(tree, 'other')}) return ;;
  esac
  case "$command" in
${cases.join('\n')}
  esac
  _describe 'export-service' found
  case "$command" in
    ${filePatterns(tree)}) [[ "\${words[CURRENT]}" == -* ]] || _files ;;
  esac
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _export_service export-service
`;
}

function described(word: string, text: string): string {
  return shellQuote(`${word}:${text}`);
}

function filePatterns(tree: CommandTree): string {
  return all(tree)
    .filter(({ takesFiles }) => takesFiles)
    .map((command) => shellQuote(pathOf(command)))
    .join('|');
}

export function fishScript(tree: CommandTree): string {
  const lines = all(tree).flatMap((command) => {
    const here = fishCondition(command);
    return [
      ...command.commands.map(
        ({ words, summary }) =>
          `complete -c export-service -n ${here} -a ${words.at(-1)} -d ${fishQuote(summary)}`,
      ),
      ...command.flags.map((flag) => `complete -c export-service -n ${here} ${fishFlag(flag)}`),
      ...(command.takesFiles ? [`complete -c export-service -n ${here} -F`] : []),
    ];
  });
  return `# Completion of export-service for fish.
complete -c export-service -f
${lines.join('\n')}
`;
}

function fishFlag({ name, short, value, meaning }: CompletedFlag): string {
  const names = `-l ${name.slice(2)}${short === null ? '' : ` -s ${short.slice(1)}`}`;
  const kind = { none: '', file: ' -r -F', other: ' -x' }[value];
  return `${names}${kind} -d ${fishQuote(meaning)}`;
}

/** Every word that leads here was typed, and none that leads on. */
function fishCondition({ words, commands }: CommandTree): string {
  const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`);
  const next = commands.map(({ words: own }) => own.at(-1));
  const notYet = next.length === 0 ? [] : [`not __fish_seen_subcommand_from ${next.join(' ')}`];
  return fishQuote([...seen, ...notYet].join('; and '));
}

/** Fish knows backslashes inside single quotes, and nothing else. */
function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
