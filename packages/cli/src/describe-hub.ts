import { styleText } from 'node:util';
import type { HubConfig } from '@civex/config';
import { formatTable } from './format-table.ts';
import type { SandboxStory } from './sandbox-sharing.ts';
import type { SourceState } from './world.ts';

const WORDS = { UP: 'up', DEGRADED: 'degraded', DOWN: 'down', UNKNOWN: 'unknown' } as const;
const COLOURS = { up: 'green', degraded: 'yellow', down: 'red', unknown: 'yellow' } as const;

const number = new Intl.NumberFormat('en');

const lostOf = (lost: SourceState['lostCapabilities']): string =>
  lost.length === 0 ? '' : `caught not deciding ${[...new Set(lost.map(({ capability }) => capability))].join(', ')}`;

/** One line per source, and a sum. */
export function describeSources(sources: readonly SourceState[], colours: boolean): readonly string[] {
  const stateColumn = 3;
  const lines = formatTable(
    [
      { title: 'CATALOG', align: 'left' },
      { title: 'TITLE', align: 'left' },
      { title: 'ADAPTER', align: 'left' },
      { title: 'STATE', align: 'left' },
      { title: 'DATASETS', align: 'right' },
      { title: 'ANSWERED IN', align: 'right' },
      { title: 'REASON', align: 'left' },
    ],
    sources.map(({ id, title, adapter, state, datasets, latencyMs, reason, lostCapabilities }) => [
      id,
      title,
      adapter,
      WORDS[state],
      datasets === null ? '-' : number.format(datasets),
      latencyMs === null ? '-' : `${number.format(Math.round(latencyMs))} ms`,
      reason ?? lostOf(lostCapabilities),
    ]),
    (cell, column) =>
      colours && column === stateColumn && Object.hasOwn(COLOURS, cell)
        ? // Own key of COLOURS, just checked.
          styleText(COLOURS[cell as keyof typeof COLOURS], cell, { validateStream: false })
        : cell,
  );
  const up = sources.filter(({ state }) => state === 'UP').length;
  const counted = sources.flatMap(({ datasets }) => datasets ?? []);
  const sum = counted.reduce((total, count) => total + count, 0);
  const silent = sources.length - counted.length;
  return [
    ...lines,
    '',
    `${up} of ${sources.length} ${sources.length === 1 ? 'catalog is' : 'catalogs are'} up, ${number.format(sum)} datasets` +
      `${silent === 0 ? '' : ` without ${silent} ${silent === 1 ? 'catalog' : 'catalogs'} that did not say`}.`,
  ];
}

export interface HubDescription {
  readonly url: string;
  readonly config: HubConfig;
  readonly sources: readonly SourceState[];
  readonly questions: readonly { readonly title: string; readonly query: string }[];
  /** Null: the embedded sandbox. */
  readonly file: string | null;
  /** Null: no agreements were made for the sandbox. */
  readonly story: SandboxStory | null;
  readonly colours: boolean;
}

function describeStory({ credentials, questions }: SandboxStory): readonly string[] {
  return [
    '',
    'Three organisations share restricted data in it under two agreements. An access token for one of them, in another terminal:',
    '',
    `  npm run --silent civex -- token ${credentials}`,
    ...questions.flatMap(({ title, declared, query }) => [
      '',
      `${title}:`,
      '',
      `  npm run --silent civex -- query --credentials ${credentials} ${declared} '${query}'`,
    ]),
  ];
}

const FEW = ['No', 'One', 'Two', 'Three', 'Four', 'Five'];
const count = (value: number): string => FEW[value] ?? String(value);

/** What `civex start` says once the hub runs. */
export function describeHub({ url, config, sources, questions, file, story, colours }: HubDescription): string {
  // Questions that name a dataset fit the sandbox's data only.
  const fitting = questions.filter(({ query }) => file === null || !/\bdataset\(\s*id:/.test(query));
  const endpoint = `${url}/graphql`;
  const page = config.server.graphiql ? [`GraphiQL  ${endpoint}   (open it in a browser)`] : [];
  const more =
    file === null
      ? [
          'These catalogs are the embedded sandbox: sample data on this machine, no network. For live portals:',
          '',
          '  cp hub.example.yaml hub.yaml',
          '  npm start -- --config hub.yaml',
        ]
      : [
          `The portals are those of ${file}. Saving it reloads them; a file with faults changes nothing.`,
          'A catalog that is down leaves the others alone: every answer reports on each of them.',
        ];
  return [
    ...describeSources(sources, colours),
    '',
    ...page,
    `API       POST ${endpoint}`,
    ...(fitting.length === 0
      ? []
      : [
          '',
          `${count(fitting.length)} ${fitting.length === 1 ? 'question' : 'questions'} to paste${config.server.graphiql ? ' into GraphiQL' : ''}:`,
          ...fitting.flatMap(({ title, query }, index) => ['', `${index + 1}. ${title}`, '', query.trimEnd()]),
        ]),
    ...(story === null ? [] : describeStory(story)),
    '',
    ...more,
    '',
    'Ctrl+C stops the hub.',
  ].join('\n');
}
