import type { PortalAnswer } from '@civex/sandbox';
import type { RawRequest } from './raw-portal.ts';
import { bodyOf, purposeOf } from './sample-portal.ts';
import type { Honest, Kind } from './sample-portal.ts';

/** One dataset or record of an answer, as the portal writes it. */
export type Item = Record<string, unknown>;

/** What an honest answer says, in parts that a fault may change. */
export interface AnswerParts {
  items: Item[];
  /** Null where the answer has none (lines of an export). */
  total: unknown;
  /** DataStore columns; null elsewhere. */
  fields: Item[] | null;
  /** The outermost value; `items`, `total` and `fields` are put back into it. */
  readonly root: Item;
}

export type Request = Pick<RawRequest, 'method' | 'path' | 'search' | 'body'>;

/** Takes an honest answer apart, lets it be changed, and writes it again. */
export function editAnswer(
  kind: Kind,
  request: Request,
  honest: PortalAnswer,
  change: (parts: AnswerParts) => void,
): Buffer {
  const text = bodyOf(honest).toString('utf8');
  if (kind === 'opendatasoft' && purposeOf(kind, request) === 'scan') {
    const lines = text.split('\n').filter((line) => line !== '');
    const parts: AnswerParts = {
      items: lines.map((line) => JSON.parse(line) as Item),
      total: null,
      fields: null,
      root: {},
    };
    change(parts);
    return Buffer.from(parts.items.map((item) => `${JSON.stringify(item)}\n`).join(''));
  }
  const whole = JSON.parse(text) as Item;
  const root = kind === 'opendatasoft' ? whole : (whole['result'] as Item);
  const isCatalog = purposeOf(kind, request) === 'catalog';
  const itemsKey = kind === 'opendatasoft' || isCatalog ? 'results' : 'records';
  const totalKey = kind === 'opendatasoft' ? 'total_count' : isCatalog ? 'count' : 'total';
  const fields = root['fields'];
  const parts: AnswerParts = {
    items: (root[itemsKey] as Item[] | undefined) ?? [],
    total: root[totalKey],
    fields: Array.isArray(fields) ? (fields as Item[]) : null,
    root,
  };
  change(parts);
  root[itemsKey] = parts.items;
  if (parts.total === undefined) delete root[totalKey];
  else root[totalKey] = parts.total;
  if (parts.fields !== null) root['fields'] = parts.fields;
  return Buffer.from(JSON.stringify(whole));
}

/** Where an item says which one it is. */
export const idKeyOf = (kind: Kind, request: Request): string => {
  const isCatalog = purposeOf(kind, request) === 'catalog';
  if (kind === 'opendatasoft') return isCatalog ? 'dataset_id' : 'uid';
  return isCatalog ? 'name' : '_id';
};

export interface Window {
  readonly offset: number;
  readonly limit: number;
}

/** The same request for another part of the list. */
function withWindow(kind: Kind, request: Request, move: (window: Window) => Window): Request {
  if (kind === 'opendatasoft') {
    const search = new URLSearchParams(request.search);
    const { offset, limit } = move({ offset: Number(search.get('offset')), limit: Number(search.get('limit')) });
    search.set('offset', String(offset));
    search.set('limit', String(limit));
    return { ...request, search: `?${search.toString()}` };
  }
  const body = JSON.parse(request.body) as Item;
  const offsetKey = purposeOf(kind, request) === 'catalog' ? 'start' : 'offset';
  const limitKey = purposeOf(kind, request) === 'catalog' ? 'rows' : 'limit';
  const { offset, limit } = move({ offset: Number(body[offsetKey]), limit: Number(body[limitKey]) });
  return { ...request, body: JSON.stringify({ ...body, [offsetKey]: offset, [limitKey]: limit }) };
}

export function windowOf(kind: Kind, request: Request): Window {
  let seen: Window = { offset: 0, limit: 0 };
  withWindow(kind, request, (window) => {
    seen = window;
    return window;
  });
  return seen;
}

/** The honest answer to another part of the list. */
export const answerWindow = (
  kind: Kind,
  honest: Honest,
  request: Request,
  move: (window: Window) => Window,
): PortalAnswer => honest(withWindow(kind, request, move));
