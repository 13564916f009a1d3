import { createCallTrace } from '@civex/adapter-contract';
import { HubError, isHubError } from '@civex/errors';
import { createExportWriter, describeExport, EXPORT_FORMATS } from '@civex/exports';
import type { ExportFormat, ExportHeader, ExportWriter } from '@civex/exports';
import { decodeDatasetId } from '@civex/model';
import type { Dataset } from '@civex/model';
import { suggestName } from '@civex/query';
import type { FilterInput, SortInput } from '@civex/query';
import type { RecordStream } from '@civex/records';
import { createCall, datasetLoader } from './context.ts';
import type { HubContext, LocalSource } from './context.ts';
import { createProvenance } from './dataset-node.ts';

/** What `GET /exports/{datasetId}.{format}` asks. */
export interface ExportQuestion {
  readonly datasetId: string;
  /** `metadata`: what the file would say of itself, as JSON, without records. */
  readonly format: ExportFormat | 'metadata.json';
  readonly filter: FilterInput | null;
  readonly cql: string | null;
  readonly properties: readonly string[] | null;
  readonly sortBy: readonly SortInput[];
  readonly ids: boolean;
  readonly after: string | null;
}

const PREFIX = '/exports/';
/** Characters of the target, the question included. Node refuses request heads beyond 16 KB. */
const MAX_TARGET = 12_000;
const MAX_PARAMETERS = 20;

const invalid = (message: string): HubError => new HubError('INPUT_INVALID', message);

function parseJsonParameter(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (cause instanceof SyntaxError) throw invalid(`${name}: is not valid JSON.`);
    throw cause;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseFilter(text: string): FilterInput {
  const value = parseJsonParameter('filter', text);
  if (!isObject(value))
    throw invalid('filter: a FilterInput object in JSON is needed, for example {"property":"id","eq":3}.');
  // Its members are checked when it is bound to the columns.
  return value as FilterInput;
}

/** `a,b`, or a JSON list where a name contains a comma. */
function parseProperties(text: string): readonly string[] {
  if (!text.startsWith('[')) return text.split(',');
  const value = parseJsonParameter('properties', text);
  if (!Array.isArray(value) || !value.every((name) => typeof name === 'string'))
    throw invalid('properties: a list of names is needed.');
  return value;
}

/** `-amount,name` as OGC API Features writes it, or the JSON list of GraphQL's `SortInput`. */
function parseSortBy(text: string): readonly SortInput[] {
  if (!text.startsWith('['))
    return text.split(',').map((term) => ({
      // A `+` in a query string is a space.
      property: term.replace(/^[-+ ]/, ''),
      direction: term.startsWith('-') ? 'DESC' : 'ASC',
    }));
  const value = parseJsonParameter('sortBy', text);
  const isTerm = (term: unknown): term is { readonly property: string; readonly direction?: 'ASC' | 'DESC' } =>
    isObject(term) &&
    Object.keys(term).every((key) => key === 'property' || key === 'direction') &&
    typeof term['property'] === 'string' &&
    (term['direction'] === undefined || term['direction'] === 'ASC' || term['direction'] === 'DESC');
  if (!Array.isArray(value) || !value.every(isTerm))
    throw invalid('sortBy: a list such as [{"property":"name","direction":"DESC"}] is needed.');
  return value.map(({ property, direction = 'ASC' }) => ({ property, direction }));
}

const PARAMETERS: ReadonlySet<string> = new Set(['filter', 'cql', 'properties', 'sortBy', 'ids', 'after']);

/**
 * Reads the target of an export. Unknown and repeated parameters are refused: a filter that was misspelt would
 * otherwise give out everything.
 *
 * @returns null for a path that is not under `/exports/`.
 * @throws HubError `INPUT_INVALID` naming the parameter.
 */
export function parseExportTarget(target: string): ExportQuestion | null {
  if (!target.startsWith(PREFIX)) return null;
  if (target.length > MAX_TARGET) throw invalid(`An export's address is at most ${MAX_TARGET} characters long.`);
  const [path = '', ...rest] = target.split('?');
  const search = new URLSearchParams(rest.join('?'));
  let name: string;
  try {
    name = decodeURIComponent(path.slice(PREFIX.length));
  } catch {
    // URIError: a `%` that begins no character.
    throw invalid('The address is not valid percent-encoding.');
  }
  const formats = [...EXPORT_FORMATS, 'metadata.json'] as const;
  const format = formats.find((candidate) => name.endsWith(`.${candidate}`));
  if (format === undefined) throw invalid(`An export is one of: {datasetId}.${formats.join(', .')}.`);
  if (search.size > MAX_PARAMETERS) throw invalid(`At most ${MAX_PARAMETERS} parameters.`);
  const given = new Map<string, string>();
  for (const [parameter, value] of search) {
    if (!PARAMETERS.has(parameter)) {
      const near = suggestName(parameter, PARAMETERS);
      throw invalid(
        `Unknown parameter "${parameter.slice(0, 40)}"${near === null ? '' : `: did you mean "${near}"`}. An export takes ${[...PARAMETERS].join(', ')}.`,
      );
    }
    if (given.has(parameter)) throw invalid(`${parameter}: is given twice.`);
    given.set(parameter, value);
  }
  const read = <T>(parameter: string, parse: (text: string) => T): T | null => {
    const text = given.get(parameter);
    return text === undefined ? null : parse(text);
  };
  const ids = given.get('ids') ?? 'false';
  if (ids !== 'true' && ids !== 'false') throw invalid('ids: true or false.');
  return {
    datasetId: name.slice(0, -format.length - 1),
    format,
    filter: read('filter', parseFilter),
    cql: read('cql', (text) => text),
    properties: read('properties', parseProperties),
    sortBy: read('sortBy', parseSortBy) ?? [],
    ids: ids === 'true',
    after: read('after', (text) => text),
  };
}

/** An export that has been opened: nothing of it has left, and nothing the caller did can be wrong any more. */
export interface OpenExport {
  readonly mediaType: string;
  /** For `Content-Disposition`: ASCII letters, digits, `-`, `_` and `.`. */
  readonly fileName: string;
  /** URI of the licence when it is known. */
  readonly licenseUri: string | null;
  /** Path of the description of the file beside it. */
  readonly metadataPath: string;
  /** False: it was given under an agreement. */
  readonly isOpenData: boolean;
  /** True: it can be continued with `after` and the id of the last record that arrived. */
  readonly isResumable: boolean;
  /** The file, in pieces, pulled as they are read. Ends only when the file is whole. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Looks once more whether the caller may have it. @throws HubError as `AccessView.release`. */
  readonly confirm: () => Promise<void>;
  /** Records written so far. */
  readonly records: () => number;
}

const toFileName = (question: ExportQuestion): string =>
  `${question.datasetId.replaceAll(/[^A-Za-z0-9._-]+/g, '_').slice(0, 120)}.${question.format}`;

async function* write(
  stream: RecordStream,
  writer: ExportWriter,
  onRecords: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  const begin = writer.begin();
  if (begin !== null) yield begin;
  for await (const batch of stream.batches) {
    const bytes = writer.write(batch);
    onRecords(batch.length);
    if (bytes !== null) yield bytes;
  }
  const end = writer.end();
  if (end === null) return;
  // It may hold records that were released long ago: a portal can take its time to end.
  await stream.confirm();
  yield end;
}

async function loadLocal(
  datasetId: string,
  context: HubContext,
): Promise<{ readonly source: LocalSource; readonly dataset: Dataset }> {
  const missing = (): HubError => new HubError('NOT_FOUND', 'There is no such dataset.');
  const id = decodeDatasetId(datasetId);
  const source = id === null ? undefined : context.sources.get(id.source);
  if (id === null || source === undefined) throw missing();
  if (source.kind === 'remote')
    throw new HubError(
      'CAPABILITY_MISSING',
      'This dataset is served by another hub process, which exports it itself.',
      { source: id.source, datasetId },
    );
  const loaded = await datasetLoader(context, source).load(id.localId);
  if (loaded === null) throw missing();
  return { source, dataset: loaded.dataset };
}

function headerOf(
  question: ExportQuestion,
  dataset: Dataset,
  source: LocalSource,
  fetchedAtEpochMs: number,
  isOpen: boolean,
): ExportHeader {
  const { publisher, fetchedAt, attribution } = createProvenance(dataset, source, fetchedAtEpochMs, isOpen);
  const { filter, cql, properties, sortBy, after } = question;
  return {
    datasetId: dataset.id,
    title: Object.values(dataset.titles)[0] ?? dataset.localId,
    license: dataset.license,
    attribution,
    publisher,
    modified: dataset.modified,
    fetchedAt,
    question: { filter, cql, properties, sortBy, after },
  };
}

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const metadataPathOf = (dataset: Dataset): string => `${PREFIX}${encodeURIComponent(dataset.id)}.metadata.json`;

/** What stands beside a file that has no place for it: licence, attribution, columns. @throws HubError as `openExport`. */
async function openMetadata(question: ExportQuestion, context: HubContext): Promise<OpenExport> {
  const { source, dataset } = await loadLocal(question.datasetId, context);
  const trace = createCallTrace();
  const view = await context.access.view(dataset, 'EXPORT');
  const seen = await context.services.door.columns(
    { adapter: source.adapter, dataset, view },
    createCall(context, trace),
  );
  const columns = seen?.queryables ?? null;
  if (columns === null)
    throw new HubError('CAPABILITY_MISSING', 'This dataset has no queryable records.', { datasetId: dataset.id });
  const isOpenData = view.fingerprint === '';
  const header = headerOf(question, dataset, source, trace.fetchedAtEpochMs ?? context.services.now(), isOpenData);
  const text = JSON.stringify(describeExport(columns, header), null, 2);
  return {
    mediaType: 'application/json; charset=utf-8',
    fileName: toFileName(question),
    licenseUri: dataset.license.uri,
    metadataPath: metadataPathOf(dataset),
    isOpenData,
    isResumable: false,
    chunks: inOnePiece(Buffer.from(text)),
    confirm: () => Promise.resolve(),
    records: () => 0,
  };
}

/**
 * Opens an export through the one door, first batch included.
 *
 * @throws HubError as `RecordDoor.stream`; `NOT_FOUND` for an unknown dataset.
 */
export async function openExport(question: ExportQuestion, context: HubContext): Promise<OpenExport> {
  const { format } = question;
  if (format === 'metadata.json') return openMetadata(question, context);
  const { source, dataset } = await loadLocal(question.datasetId, context);
  const trace = createCallTrace();
  const { filter, cql, properties, sortBy, ids, after } = question;
  const view = await context.access.view(dataset, 'EXPORT');
  const stream = await context.services.door.stream(
    {
      adapter: source.adapter,
      dataset,
      filter,
      cql,
      view,
      properties,
      sortBy,
      geometry: format === 'geojson',
      ids,
      after,
    },
    // Its reader sets the pace, and it has a place of its own.
    { ...createCall(context, trace), pace: undefined },
  );
  const isOpenData = view.fingerprint === '';
  const header = headerOf(question, dataset, source, trace.fetchedAtEpochMs ?? context.services.now(), isOpenData);
  const writer = createExportWriter(format, stream.columns, header, {
    ids,
    geometryColumns: stream.geometryColumns,
  });
  let records = 0;
  return {
    mediaType: writer.mediaType,
    fileName: toFileName(question),
    licenseUri: dataset.license.uri,
    metadataPath: metadataPathOf(dataset),
    isOpenData,
    isResumable: stream.isResumable,
    chunks: write(stream, writer, (count) => {
      records += count;
    }),
    confirm: stream.confirm,
    records: () => records,
  };
}

/** HTTP status of what is refused before an export begins. */
export function exportStatus(error: unknown): number {
  if (!isHubError(error)) return 500;
  switch (error.code) {
    case 'INPUT_INVALID':
    case 'INPUT_TOO_COSTLY':
    case 'CAPABILITY_MISSING':
      return 400;
    case 'NOT_FOUND':
      return 404;
    case 'AUTH_REQUIRED':
      return 401;
    case 'ACCESS_DENIED':
      return 403;
    case 'LIMIT_REACHED':
      return 429;
    case 'SOURCE_TIMEOUT':
      return 504;
    case 'SOURCE_OVERLOADED':
    case 'SOURCE_UNAVAILABLE':
    case 'AUTH_UNAVAILABLE':
      return 503;
    case 'SOURCE_REJECTED':
    case 'SOURCE_MALFORMED':
      return 502;
    case 'CANCELLED':
    case 'CONFIG_INVALID':
    case 'INTERNAL':
      return 500;
  }
}
