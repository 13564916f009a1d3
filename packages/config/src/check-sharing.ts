import { decodeDatasetId } from '@civex/model';
import { suggestName } from '@civex/query';
import type { ConfigFault } from './config-error.ts';
import type { ConfigPath, ConfigSource } from './config-path.ts';
import { formatPath, valueAt } from './config-path.ts';
import { REMOTE_SOURCE_KIND } from './hub-config.ts';

type Entry = Readonly<Record<string, unknown>>;
const isEntry = (value: unknown): value is Entry =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * What one setting of data sharing alone cannot show: names of organisations and sources that are not there, and what is
 * written twice. Works on data whose shape may be wrong and leaves those places to the schema.
 */
export function checkSharing(source: ConfigSource): readonly ConfigFault[] {
  const faults: ConfigFault[] = [];
  const report = (path: ConfigPath, problem: string, remedy: string, part: 'key' | 'value' = 'value'): void => {
    faults.push({ file: source.file, ...source.locate(path, part), path: formatPath(path), problem, remedy });
  };
  const listAt = (path: ConfigPath): readonly unknown[] => {
    const value = valueAt(source.raw, path);
    return Array.isArray(value) ? value : [];
  };
  const entriesAt = (path: ConfigPath): readonly (readonly [string, unknown])[] => {
    const value = valueAt(source.raw, path);
    return isEntry(value) ? Object.entries(value) : [];
  };
  const unique = (path: ConfigPath, key: string): ReadonlySet<string> => {
    const seen = new Set<string>();
    for (const [index, entry] of listAt(path).entries()) {
      const value = isEntry(entry) ? entry[key] : undefined;
      if (typeof value !== 'string') continue;
      if (seen.has(value)) report([...path, index, key], 'is given twice', 'Remove one.');
      seen.add(value);
    }
    return seen;
  };

  const organisations = unique(['organisations'], 'id');
  const checkOrganisation = (id: unknown, path: ConfigPath): void => {
    if (typeof id !== 'string' || organisations.has(id)) return;
    const near = suggestName(id, organisations);
    const problem = 'is not one of `organisations`';
    report(
      path,
      near === null ? problem : `${problem}: did you mean "${near}"`,
      'Add the organisation, or correct it.',
    );
  };
  const kinds = new Map(
    listAt(['sources']).flatMap((entry) => (isEntry(entry) ? [[entry['id'], entry['adapter']] as const] : [])),
  );
  const checkSource = (id: string, path: ConfigPath, part: 'key' | 'value'): void => {
    if (!kinds.has(id)) report(path, 'names no source of this file', 'Use an id of `sources`.', part);
    else if (kinds.get(id) === REMOTE_SOURCE_KIND)
      report(
        path,
        'is a source that another hub process serves',
        'Restrict its datasets in the configuration of that process.',
        part,
      );
  };

  unique(['identity', 'issuers'], 'issuer');
  for (const [index] of listAt(['identity', 'issuers']).entries())
    for (const [claim, organisation] of entriesAt(['identity', 'issuers', index, 'organisations']))
      checkOrganisation(organisation, ['identity', 'issuers', index, 'organisations', claim]);

  unique(['sharing', 'restricted'], 'dataset');
  unique(['sharing', 'purposes'], 'id');
  for (const [index, entry] of listAt(['sharing', 'restricted']).entries()) {
    if (!isEntry(entry)) continue;
    const path = ['sharing', 'restricted', index];
    const ref = typeof entry['dataset'] === 'string' ? decodeDatasetId(entry['dataset']) : null;
    if (ref !== null) checkSource(ref.source, [...path, 'dataset'], 'value');
    checkOrganisation(entry['provider'], [...path, 'provider']);
  }
  for (const [id, organisation] of entriesAt(['sharing', 'providers'])) {
    checkSource(id, ['sharing', 'providers', id], 'key');
    checkOrganisation(organisation, ['sharing', 'providers', id]);
  }
  return faults;
}
