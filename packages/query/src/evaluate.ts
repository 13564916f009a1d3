import type { HubRecord, RecordValue } from '@civex/model';
import { compareValues } from './compare.ts';
import type { Predicate, RecordFilter } from './filter.ts';
import { foldOf, isPredicate } from './filter.ts';
import { foldText } from './fold-text.ts';
import { geometriesIntersect, geometryIntersectsBbox, isGeometryValue, isWithinMetres } from './geometry.ts';

/** SQL's three truth values; null is unknown. */
type Truth = boolean | null;
type Values = HubRecord['values'];

/** Matches a LIKE pattern in time proportional to text x pattern at worst; no regular expressions, no backtracking blow-up. */
function createLikeMatcher(pattern: string): (text: string) => boolean {
  const ANY = 0;
  const ONE = 1;
  const tokens: (string | typeof ANY | typeof ONE)[] = [];
  let escaped = false;
  for (const character of pattern) {
    if (escaped) {
      tokens.push(character);
      escaped = false;
    } else if (character === '\\') escaped = true;
    else if (character === '%') {
      if (tokens.at(-1) !== ANY) tokens.push(ANY);
    } else if (character === '_') tokens.push(ONE);
    else tokens.push(character);
  }
  return (text) => {
    const characters = Array.from(text);
    let t = 0;
    let p = 0;
    let anyAt = -1;
    let resumeAt = 0;
    while (t < characters.length) {
      const token = tokens[p];
      if (token === ONE || (typeof token === 'string' && token === characters[t])) {
        t++;
        p++;
      } else if (token === ANY) {
        anyAt = p++;
        resumeAt = t;
      } else if (anyAt >= 0) {
        p = anyAt + 1;
        t = ++resumeAt;
      } else return false;
    }
    while (tokens[p] === ANY) p++;
    return p === tokens.length;
  };
}

function compilePredicate(predicate: Predicate): (values: Values) => Truth {
  const { property, type } = predicate;
  const fold = foldOf(predicate);
  const read =
    fold === null
      ? (values: Values): RecordValue | undefined => values[property]
      : (values: Values): RecordValue | undefined => {
          const value = values[property];
          return typeof value === 'string' ? foldText(value, fold) : value;
        };
  switch (predicate.op) {
    case 'isNull':
      return (values) => (values[property] ?? null) === null;
    case 'like': {
      const matches = createLikeMatcher(predicate.pattern);
      return (values) => {
        const value = read(values);
        return typeof value === 'string' ? matches(value) : null;
      };
    }
    case 'in':
      return (values) => {
        const value = read(values);
        let unknown = compareValues(value, value, type) === null;
        for (const candidate of predicate.values) {
          const order = compareValues(value, candidate, type);
          if (order === 0) return true;
          if (order === null) unknown = true;
        }
        return unknown ? null : false;
      };
    case 'between':
      return (values) => {
        const value = read(values);
        const low = compareValues(value, predicate.lower, type);
        const high = compareValues(value, predicate.upper, type);
        return low === null || high === null ? null : low >= 0 && high <= 0;
      };
    case 'intersects':
      return (values) => {
        const value = values[property];
        return isGeometryValue(value) ? geometriesIntersect(value, predicate.geometry) : null;
      };
    case 'bbox':
      return (values) => {
        const value = values[property];
        return isGeometryValue(value) ? geometryIntersectsBbox(value, predicate.bbox) : null;
      };
    case 'withinMetres':
      return (values) => {
        const value = values[property];
        return isGeometryValue(value) ? isWithinMetres(value, predicate) : null;
      };
    case '=':
    case '<>':
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const { op, value: right } = predicate;
      return (values) => {
        const order = compareValues(read(values), right, type);
        if (order === null) return null;
        switch (op) {
          case '=':
            return order === 0;
          case '<>':
            return order !== 0;
          case '<':
            return order < 0;
          case '<=':
            return order <= 0;
          case '>':
            return order > 0;
          case '>=':
            return order >= 0;
        }
      };
    }
  }
}

function compile(filter: RecordFilter): (values: Values) => Truth {
  if (isPredicate(filter)) return compilePredicate(filter);
  const parts = filter.args.map(compile);
  if (filter.op === 'not') {
    const [part] = parts;
    return (values) => {
      const truth = part?.(values) ?? null;
      return truth === null ? null : !truth;
    };
  }
  const decisive = filter.op === 'or';
  return (values) => {
    let unknown = false;
    for (const part of parts) {
      const truth = part(values);
      if (truth === decisive) return decisive;
      if (truth === null) unknown = true;
    }
    return unknown ? null : !decisive;
  };
}

/** Compiles a filter once; the result says whether a record is in the answer, that is, whether the filter is true. */
export function createPredicate(filter: RecordFilter | null): (record: HubRecord) => boolean {
  if (filter === null) return () => true;
  const truth = compile(filter);
  return (record) => truth(record.values) === true;
}

/** The truth of a filter on one record: true, false, or null for unknown. The meaning all portals are held against. */
export function evaluateFilter(filter: RecordFilter, record: HubRecord): boolean | null {
  return compile(filter)(record.values);
}
