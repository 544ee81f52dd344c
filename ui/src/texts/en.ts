/**
 * Every word that the page shows, in English. Another language is a file like this one, of the type {@link Texts}. Words
 * are for people who are no engineers: an export is an item, a destination is a place, an undeliverable one did not arrive.
 */

/** Numbers come in as they are and as they are written. */
export interface Counted {
  readonly n: number;
  readonly text: string;
}

const items = ({ n, text }: Counted): string => (n === 1 ? `${text} item` : `${text} items`);
const apps = ({ n, text }: Counted): string => (n === 1 ? `${text} app` : `${text} apps`);
const places = ({ n, text }: Counted): string => (n === 1 ? `${text} place` : `${text} places`);

function times({ n, text }: Counted): string {
  if (n <= 2) return n === 1 ? 'once' : 'twice';
  return `${text} times`;
}

export const en = {
  title: 'What leaves your box',
  brand: 'Export service',
  skip: 'Skip to the content',
  views: { overview: 'Overview', exports: 'Activity', rules: 'Your rules', ledger: 'Record' },
  views_label: 'Pages',
  signOut: 'Sign out',
  signedOutFailed: 'You are not signed out: your box did not answer.',
  loading: 'Loading…',
  close: 'Close',
  cancel: 'Never mind',
  undo: 'Undo',
  undone: 'Taken back.',
  more: 'Show more',
  showAll: (counted: Counted) => `Show all ${apps(counted)}`,
  nothingYet: 'Nothing yet.',

  live: { live: 'Live', connecting: 'Connecting…', offline: 'Offline' },
  offline: {
    title: 'Your box cannot be reached.',
    since: (time: string) => `What you see here is from ${time}. The page keeps trying by itself.`,
    never: 'The page keeps trying by itself.',
    retry: 'Try now',
  },
  failure: {
    title: 'This could not be loaded.',
    unreachable: 'Your box did not answer.',
    said: (detail: string) => `Your box said: ${detail}`,
    retry: 'Try again',
  },

  signIn: {
    title: 'This page is for the owner of this box',
    lead: 'It shows what your apps send out of your box, and lets you stop them.',
    none: 'To open it you need a sign-in link. Each link works once, within ten minutes.',
    ended: 'You were signed in for a while, and that has run out. A new link lets you in again.',
    'signed-out': 'You are signed out on this device.',
    link: 'This link does not open the page any more.',
    unreachable: 'Your box does not answer at the moment.',
    said: 'Your box says:',
    how: 'How to get a link',
    step: 'On your box, run this command, and open the link that it prints:',
    command: 'export-service owner-link',
    retry: 'Try again',
    privacy:
      'This page keeps nothing in your browser but the sign-in itself, and talks to nobody but your box.',
  },

  app: {
    unnamed: 'An app that gave no name',
    peer: (peer: string) => `from ${peer} on your box’s network (not proven)`,
  },
  /** What a rule is about, within a sentence. */
  target: {
    all: 'everything',
    app: (app: string) => app,
    place: (place: string) => `everything to ${place}`,
    lane: (app: string, place: string) => `${app} to ${place}`,
  },
  anywhere: 'another place',
  others: 'Other apps',

  overview: {
    headline: (count: Counted) => `Today ${items(count)} left your box.`,
    headlineNone: 'Nothing has left your box today.',
    headlineLoading: 'Looking at what left your box…',
    details: (values: { apps: Counted; places: Counted; size: string }) =>
      `${apps(values.apps)} sent ${values.size} to ${places(values.places)}.`,
    waiting: (count: Counted) => `${items(count)} ${count.n === 1 ? 'is' : 'are'} still on the way.`,
    allWell: 'All is well: nothing is stuck, and nothing was refused.',
    // Where so much is on record that a page does not read all of today's.
    allWellLately: 'All is well: nothing is stuck, and nothing was refused lately.',
    concernsCount: ({ n, text }: Counted) =>
      n === 1 ? 'One thing is worth a look' : `${text} things are worth a look`,
    concernsAll: 'Show all of them',
    history: 'The past four weeks',
    historyItems: 'Items',
    historySize: 'Amount',
    historyLabel: 'What the chart counts',
    historySummary: (values: { total: string; best: string; bestDay: string }) =>
      `${values.total} in four weeks. The most on ${values.bestDay}: ${values.best}.`,
    historyReading: 'Not all of the four weeks is read yet.',
    historyEmpty: 'Nothing left your box in the past four weeks.',
    historyTable: 'The same as a table',
    day: 'Day',
    arrived: 'Handed over',
    others: 'Not handed over',
    amount: 'Amount',
    who: 'Who sends what, and where to',
    period: 'Period',
    periods: { today: 'Today', week: '7 days', month: '4 weeks' },
    search: 'Search apps and places',
    noneFound: 'No app and no place fits your search.',
    noneInPeriod: 'Nothing left your box in this time.',
    firstUse: 'As soon as an app sends something out of your box, you see it here.',
    sum: (values: { items: Counted; size: string }) => `${items(values.items)}, ${values.size}`,
    last: (ago: string) => `last: ${ago}`,
    seeAll: 'See each item',
    seeAllOf: (what: string) => `See each item: ${what}`,
  },

  flags: {
    held: 'Paused by you',
    blocked: 'Blocked by you',
    budget: 'Limited by you',
    waiting: (count: Counted) => `${count.text} on the way`,
    failed: (count: Counted) => `${count.text} did not arrive`,
    stopped: (count: Counted) => `${count.text} stopped by you`,
  },

  concern: {
    'all-held': { title: 'Everything is paused.', text: 'Nothing leaves your box until you let it go on.' },
    held: (what: string) => `You paused ${what}.`,
    waits: (count: Counted) =>
      count.n === 0
        ? 'Nothing is waiting.'
        : `${items(count)} ${count.n === 1 ? 'waits' : 'wait'} until you let it go on.`,
    stuck: (place: string) => `${place} does not take what is sent to it.`,
    stuckText: (values: { count: Counted; isMore: boolean; why: string; since: string }) =>
      `${values.why} ${values.isMore ? 'At least ' : ''}${items(values.count)} ${values.count.n === 1 ? 'waits' : 'wait'}, the first since ${values.since}. Your box keeps trying.`,
    failed: (values: { count: Counted; place: string }) =>
      `${items(values.count)} did not arrive at ${values.place} today.`,
    failedText: (values: { app: string; why: string | null }) =>
      `${values.why === null ? '' : `${values.why} `}Sent by ${values.app}. Your box has given up on this.`,
    budget: (what: string) => `The limit for ${what} is nearly used up.`,
    budgetFull: (what: string) => `The limit for ${what} is used up.`,
    budgetText: (values: { used: string; limit: string; until: string }) =>
      `${values.used} of ${values.limit} used. It begins anew at ${values.until}.`,
    refused: (values: { app: string; count: Counted }) =>
      `${values.app} was refused ${times(values.count)} today.`,
    refusedOthers: (count: Counted) => `Other apps were refused ${times(count)} today.`,
    refusedText: (values: { why: string; place: string }) =>
      `${values.why} It wanted to send to ${values.place}.`,
    refusedPlaces: (count: Counted) => places(count),
    refusedCodes: {
      budget_exhausted: 'Your limit was used up.',
      destination_refused: 'You blocked it.',
      other: 'Your box did not accept it.',
    } as Readonly<Record<string, string>>,
    refusedBySettings:
      'Your box never sends there: the place is inside your own network, or the way to it is not encrypted.',
    look: 'Look',
    letGoOn: 'Let it go on',
    change: 'See your rules',
    record: 'See the record',
  },

  standing: {
    queued: 'Waiting',
    held: 'Paused by you',
    sending: 'On the way',
    retrying: 'Trying again',
    arrived: 'Arrived',
    declined: 'Turned away',
    failed: 'Did not arrive',
    blocked: 'Blocked by you',
    cancelled: 'Taken back',
  },

  exports: {
    title: 'Activity',
    lead: 'Every item that an app handed over, the newest first.',
    filterApp: 'App',
    filterPlace: 'Place',
    filterState: 'State',
    anyApp: 'Every app',
    anyPlace: 'Every place',
    states: { '': 'Every state', Pending: 'Not sent yet', Processing: 'On the way', Finished: 'Ended' },
    search: 'App, place, or number of an item',
    searchButton: 'Find',
    searchNone: 'No app and no place has that in its name.',
    clear: 'Show everything',
    empty: 'Nothing fits this choice.',
    to: 'to',
    end: 'That is all there is.',
  },

  export: {
    back: 'Back to the activity',
    title: (app: string, place: string) => `${app} to ${place}`,
    id: 'Number',
    app: 'App',
    peer: 'Handed over by',
    place: 'Place',
    size: 'Amount',
    accepted: 'Handed over',
    ended: 'Ended',
    notEnded: 'Not yet',
    again: 'Sent once more for',
    attempts: 'What your box did',
    noAttempts: 'It was not tried yet.',
    attempt: (number: string) => `Try ${number}`,
    answered: (status: string) => `The place answered ${status}.`,
    address: (address: string) => `Connected to ${address}`,
    fingerprint: 'Certificate (SHA-256)',
    took: (duration: string) => `took ${duration}`,
    receipt: 'Download the receipt',
    receiptText:
      'A file with which anybody can check that your box recorded this. It holds nothing of what was sent.',
    receiptFailed: (detail: string) => `There is no receipt: ${detail}`,
    unknown: 'There is no such item.',
    unknownText: 'Perhaps its number is mistyped, or its time in the record is over.',
    takeBack: 'Take it back',
    redeliver: 'Send it once more',
  },

  statusWords: {
    good: 'accepted',
    moved: 'moved elsewhere',
    refused: 'refused',
    broken: 'broken at the moment',
  },
  errors: {
    timeout: 'It did not answer in time.',
    expired: 'The time for it was over.',
    dns_failed: 'Its name cannot be found.',
    connection_failed: 'It cannot be reached.',
    tls_failed: 'It could not prove who it is.',
    malformed_response: 'Its answer made no sense.',
    address_refused: 'Its name leads to an address that your box does not send to.',
    blocked_by_owner: 'You blocked it.',
    cancelled: 'You took it back.',
    answer_unknown: 'Your box was cut off in the middle: it may have been sent.',
    other: 'Something went wrong.',
  } as Readonly<Record<string, string>>,

  stop: {
    button: 'Stop…',
    buttonOf: (what: string) => `Stop ${what}…`,
    title: 'What should stop?',
    scope: 'What it is about',
    scopes: {
      lane: (app: string, place: string) => `${app}, to ${place} only`,
      app: (app: string) => `${app}, wherever it sends`,
      place: (place: string) => `${place}, whichever app sends`,
      all: 'Everything that leaves this box',
    },
    pause: 'Pause',
    pauseText: 'Items wait until you let them go on. Nothing is lost.',
    block: 'Block',
    blockText: (waiting: Counted | null) =>
      waiting === null || waiting.n === 0
        ? 'Nothing gets out any more. Apps are told so.'
        : `Nothing gets out any more. ${items(waiting)} on the way will be thrown away for good.`,
    limit: 'Limit',
    limitText: 'So much in an hour or a day, and no more.',
    limitTitle: 'How much may leave?',
    limitNumber: 'At most',
    limitUnit: 'Counted in',
    limitPer: 'In each',
    units: { exports: 'items', kB: 'kilobytes', MB: 'megabytes', GB: 'gigabytes' },
    per: { hour: 'hour', day: 'day' },
    limitSet: 'Set the limit',
    limitWrong: 'A whole number, please: 0 or more.',
    limitUtc: 'Hours and days are counted by UTC, the world’s common time.',
    back: 'Back',
  },

  all: {
    pause: 'Pause everything',
    paused: 'Everything is paused',
    goOn: 'Let everything go on',
  },

  confirm: {
    takeBack: {
      title: 'Take this item back?',
      text: 'It will not be sent. If it is being sent at this moment, it may still arrive. This cannot be undone.',
      yes: 'Take it back',
    },
    redeliver: {
      title: 'Send this item once more?',
      text: 'The place gets the same data a second time. This cannot be undone.',
      yes: 'Send it once more',
    },
    release: {
      title: 'Let it go on?',
      text: 'What has waited leaves your box now. This cannot be undone.',
      yes: 'Let it go on',
    },
  },

  done: {
    hold: (what: string) => `Paused: ${what}.`,
    block: (what: string) => `Blocked: ${what}.`,
    budget: (what: string) => `Limited: ${what}.`,
    released: (what: string) => `It goes on: ${what}.`,
    unblocked: (what: string) => `No longer blocked: ${what}.`,
    unlimited: (what: string) => `No longer limited: ${what}.`,
    takenBack: 'The item is taken back.',
    redelivered: 'The item is sent once more.',
    failed: (detail: string) => `That did not work: ${detail}`,
    unreachable: 'Your box did not answer. Look whether it was done before you try again.',
  },

  rules: {
    title: 'Your rules',
    lead: 'What you decided about what may leave your box. Rules hold at once, also for what is on its way.',
    empty: 'You have no rules: every app may send to the places that you agreed to.',
    kinds: { hold: 'Paused', block: 'Blocked', budget: 'Limited' },
    perDay: (limit: string) => `At most ${limit} a day`,
    perHour: (limit: string) => `At most ${limit} an hour`,
    used: (values: { used: string; limit: string; percent: string }) =>
      `${values.used} of ${values.limit} used (${values.percent})`,
    anew: (time: string) => `begins anew at ${time}`,
    made: (time: string) => `Made ${time}`,
    note: 'Your note',
    remove: { hold: 'Let it go on', block: 'Unblock', budget: 'Remove the limit' },
    removeOf: (action: string, what: string) => `${action}: ${what}`,
    add: 'Make a rule',
    items,
  },

  ledger: {
    title: 'Record',
    lead: 'Your box writes down everything that leaves it, in a record that nobody can change without being noticed.',
    checkTitle: 'Is the record whole?',
    checkText:
      'Your browser reads the whole record, recomputes it, and compares it with what your box has signed.',
    check: 'Check the record now',
    checking: (done: string, all: string) => `Checked ${done} of ${all} entries…`,
    stopCheck: 'Stop the check',
    good: 'The record is whole.',
    goodText: (values: { entries: string; covered: string }) =>
      `All ${values.entries} entries fit together, and ${values.covered} of them fit the checkpoint that your box signed.`,
    goodKept: (size: string) => `They also fit the checkpoint that you kept, of ${size} entries.`,
    erased: (count: string) => `The text of ${count} of them was erased when its time was over.`,
    bad: 'The record was changed.',
    badText: {
      changed: (first: string) => `The text of entry ${first} is not the one that was written.`,
      removed: (first: string) => `Entry ${first} is missing.`,
      reordered: (first: string) => `Entry ${first} is not in its place.`,
      inserted: (first: string) => `In the place of entry ${first} is one that does not belong there.`,
      rewritten: (first: string, last: string) => `One of the entries ${first} to ${last} was rewritten.`,
      cut_off: (first: string) => `The record ends before entry ${first}, which was there once.`,
      wrong_node: (first: string, last: string) =>
        `The hashes above the entries ${first} to ${last} are wrong.`,
    },
    badErased: (first: string) => `The text of entry ${first} is missing, and nothing on record says why.`,
    badDo: 'Keep a copy of your box as it is, and ask somebody who knows about this.',
    untrusted: 'The checkpoint was not signed by this record.',
    noSignatures: 'Your browser cannot check signatures here.',
    noSignaturesText: 'Open the page over HTTPS with a current browser, or run this on your box:',
    noSignaturesCommand: 'export-service ledger verify',
    failed: 'The check could not be finished.',
    checkpoint: 'Save a checkpoint',
    checkpointText:
      'Keep it somewhere else. With it you can tell later that nothing before it was changed, not even by somebody who has your whole box.',
    kept: 'Compare with a checkpoint that you kept',
    keptNone: 'No file chosen',
    keptChoose: 'Choose the file',
    keptOther: 'This checkpoint is of another record.',
    which: 'Which record',
    entries: 'Entries',
    entriesLead: 'The newest first.',
    empty: 'The record is empty.',
    erasedEntry: 'The text of this entry was erased when its time was over.',
    raw: 'As it was written',
    number: (n: string) => `Entry ${n}`,
    older: 'Show older entries',
    kinds: {
      log: 'The record began.',
      start: 'Your box started to send.',
      accepted: (app: string, place: string, size: string) => `${app} handed over ${size} for ${place}.`,
      attempt: (place: string) => `Your box tried to send to ${place}.`,
      outcome: {
        delivered: (place: string, size: string) => `${size} arrived at ${place}.`,
        undeliverable: (place: string, size: string) => `${size} did not arrive at ${place}.`,
        blocked: (place: string, size: string) => `${size} for ${place} were blocked by you.`,
        cancelled: (place: string, size: string) => `${size} for ${place} were taken back by you.`,
      },
      cancel: (place: string) => `You took back an item for ${place}.`,
      redelivery: (place: string) => `You had an item sent to ${place} once more.`,
      ruleAdded: (what: string) => `You made a rule: ${what}.`,
      ruleRemoved: (what: string) => `You removed a rule: ${what}.`,
      key: 'A key of your box changed.',
      refused: (app: string, count: Counted) => `${app} was refused ${times(count)} within a minute.`,
      erasure: 'Old entries were erased.',
      other: 'Something else happened.',
    },
  },
} as const;

export type Texts = typeof en;
