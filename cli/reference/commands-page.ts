import { type CommandTree, type HelpOf, readTree } from '../completion/tree.ts';

/** The page of all commands: what each says with `--help`. */
export async function commandsPage(helpOf: HelpOf): Promise<string> {
  const tree = await readTree(helpOf);
  const sections = [];
  for (const command of flatten(tree)) sections.push(await section(command, helpOf));
  return (
    '# Commands\n\n' +
    'Made by `npm run docs` from what each command says with `--help`. In a checkout it is `npx export-service …`.\n\n' +
    sections.join('\n')
  );
}

/** Commands in the order of their help, each before its own; words without a help of their own are left out. */
function flatten(tree: CommandTree): CommandTree[] {
  const own = tree.commands.filter(({ flags, commands }) => flags.length > 0 || commands.length > 0);
  return [tree, ...own.flatMap(flatten)];
}

async function section({ words }: CommandTree, helpOf: HelpOf): Promise<string> {
  const level = '#'.repeat(words.length < 2 ? 2 : 3);
  const title = ['export-service', ...words].join(' ');
  return `${level} ${title}\n\n\`\`\`text\n${(await helpOf(words)).trim()}\n\`\`\`\n`;
}
