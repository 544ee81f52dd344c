/** `export-service rules`: what the owner does not let leave, or not yet, or not that much of. */
import { runOwnerGroup } from './owner/owner-command.ts';
import { ADD_RULE, LIST_RULES, REMOVE_RULE } from './owner/rule-actions.ts';

/** `export-service rules list|add|remove`. */
export const run = runOwnerGroup(
  {
    name: 'rules',
    about:
      "The owner's rules: block, hold and budget, for an app, a destination, both, or everything. They are in force from the " +
      'answer on, also for exports that are on their way. hold and release are short for the rule of that name.',
  },
  [LIST_RULES, ADD_RULE, REMOVE_RULE],
);
