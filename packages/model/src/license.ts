import { foldText, splitEntries } from './fold-text.ts';
import type { License } from './model.ts';

/** One published licence text in one version. */
interface LicenseText {
  readonly id: string;
  readonly family: string;
  readonly title: string;
  readonly uri: string;
}

/**
 * How people write one line of licences. `marks`: word groups of which one must occur. `words`: what else may be said
 * without changing the meaning; any other word makes the text unproven. `versions` maps the version a text names to
 * the licence; the key '' is the licence meant when no version is named, and exists only where a single version was
 * ever published.
 */
interface Wording {
  readonly marks: readonly (readonly string[])[];
  readonly words: readonly string[];
  readonly versions: Readonly<Record<string, LicenseText>>;
}

const single = (text: LicenseText, version: string): Wording['versions'] => ({ '': text, [version]: text });

const CC0: LicenseText = {
  id: 'CC0-1.0',
  family: 'CC',
  title: 'Creative Commons CC0 1.0 Universal',
  uri: 'https://creativecommons.org/publicdomain/zero/1.0/',
};
const PUBLIC_DOMAIN_MARK: LicenseText = {
  id: 'PDM-1.0',
  family: 'CC',
  title: 'Public Domain Mark 1.0',
  uri: 'https://creativecommons.org/publicdomain/mark/1.0/',
};
const ODBL: LicenseText = {
  id: 'ODbL-1.0',
  family: 'ODC',
  title: 'Open Data Commons Open Database License 1.0',
  uri: 'https://opendatacommons.org/licenses/odbl/1-0/',
};
const ODC_BY: LicenseText = {
  id: 'ODC-By-1.0',
  family: 'ODC',
  title: 'Open Data Commons Attribution License 1.0',
  uri: 'https://opendatacommons.org/licenses/by/1-0/',
};
const PDDL: LicenseText = {
  id: 'PDDL-1.0',
  family: 'ODC',
  title: 'Open Data Commons Public Domain Dedication and License 1.0',
  uri: 'https://opendatacommons.org/licenses/pddl/1-0/',
};
const LO_1: LicenseText = {
  id: 'LO-1.0',
  family: 'LO',
  title: 'Licence Ouverte / Open Licence 1.0',
  uri: 'https://www.etalab.gouv.fr/wp-content/uploads/2014/05/Licence_Ouverte.pdf',
};
const LO_2: LicenseText = {
  id: 'LO-2.0',
  family: 'LO',
  title: 'Licence Ouverte / Open Licence 2.0',
  uri: 'https://www.etalab.gouv.fr/wp-content/uploads/2017/04/ETALAB-Licence-Ouverte-v2.0.pdf',
};
const ogl = (version: 1 | 2 | 3): LicenseText => ({
  id: `OGL-UK-${version}.0`,
  family: 'OGL',
  title: `Open Government Licence ${version}.0 (United Kingdom)`,
  uri: `https://www.nationalarchives.gov.uk/doc/open-government-licence/version/${version}/`,
});
const OGL_1 = ogl(1);
const OGL_2 = ogl(2);
const OGL_3 = ogl(3);
const dlDe = (kind: 'by' | 'zero', title: string): LicenseText => ({
  id: `DL-DE-${kind.toUpperCase()}-2.0`,
  family: 'DL-DE',
  title: `Datenlizenz Deutschland ${title} 2.0`,
  uri: `https://www.govdata.de/dl-de/${kind}-2-0`,
});
const DL_DE_BY = dlDe('by', 'Namensnennung');
const DL_DE_ZERO = dlDe('zero', 'Zero');

/** The six Creative Commons licences, with the words that name each condition. */
const CC_VARIANTS = {
  by: 'Attribution',
  'by-sa': 'Attribution-ShareAlike',
  'by-nc': 'Attribution-NonCommercial',
  'by-nd': 'Attribution-NoDerivatives',
  'by-nc-sa': 'Attribution-NonCommercial-ShareAlike',
  'by-nc-nd': 'Attribution-NonCommercial-NoDerivatives',
} as const;
type CcVariant = keyof typeof CC_VARIANTS;
const isCcVariant = (text: string): text is CcVariant => Object.hasOwn(CC_VARIANTS, text);
const CC_VERSIONS = ['1.0', '2.0', '2.5', '3.0', '4.0'];

/** `port` is the jurisdiction of a ported licence ("it"), a legal text of its own; version 4.0 has no ports. */
function ccLicense(variant: CcVariant, version: string, port: string | null): LicenseText {
  const suffix = port === null ? '' : `-${port.toUpperCase()}`;
  return {
    id: `CC-${variant.toUpperCase()}-${version}${suffix}`,
    family: 'CC',
    title: `Creative Commons ${CC_VARIANTS[variant]} ${version}${port === null ? '' : ` (${port.toUpperCase()})`}`,
    uri: `https://creativecommons.org/licenses/${variant}/${version}/${port === null ? '' : `${port}/`}`,
  };
}

/** Spellings of one word, in the languages our portals write. Applied to folded text, in this order. */
const SPELLINGS: readonly (readonly [RegExp, string])[] = [
  [/\b(licence|licens|licencia|licenca|lizenz|licenza)\b/g, 'license'],
  [/\bcreative commons\b/g, 'cc'],
  [/\b(cczero|cc zero|cc cc0)\b/g, 'cc0'],
  [/\b(share ?alike|compartir ?igual|dela ?lika)\b/g, 'sa'],
  [/\b(partage dans les memes conditions|weitergabe unter gleichen bedingungen)\b/g, 'sa'],
  [/\b(non ?commercial|no ?comercial|pas d utilisation commerciale|nicht kommerziell|icke ?kommersiell)\b/g, 'nc'],
  [/\b(no ?derivatives|no ?derivs|sin ?derivadas|sin ?obra ?derivada|pas de modification)\b/g, 'nd'],
  [/\b(keine bearbeitung(en)?|inga ?bearbetningar)\b/g, 'nd'],
  [/\b(attribution|atribucion|atribuicao|reconocimiento|namensnennung|erkannande)\b/g, 'by'],
  [/\bopen data commons\b/g, 'odc'],
  [/\bopen database license\b/g, 'odbl'],
  [/\bpublic domain dedication( and license)?\b/g, 'dedication'],
  [/\bopen government license\b/g, 'ogl'],
  [/\bunited kingdom\b/g, 'uk'],
  [/\b(license ouverte|etalab)\b/g, 'lo'],
  [/\blov([12])\b/g, 'lo $1.0'],
  [/\bdatenlizenz deutschland\b/g, 'dl de'],
];

function ccWording(variant: CcVariant): Wording {
  const conditions = variant.split('-');
  return {
    // CKAN's register has `cc-nc`, which leaves the attribution out.
    marks:
      variant === 'by-nc'
        ? [
            ['cc', 'by', 'nc'],
            ['cc', 'nc'],
          ]
        : [['cc', ...conditions]],
    words: ['license', 'international', 'internacional', 'unported', 'generic'],
    versions: Object.fromEntries(CC_VERSIONS.map((version) => [version, ccLicense(variant, version, null)])),
  };
}

const WORDINGS: readonly Wording[] = [
  ...Object.keys(CC_VARIANTS).filter(isCcVariant).map(ccWording),
  { marks: [['cc0']], words: ['cc', 'universal', 'dedication', 'license'], versions: single(CC0, '1.0') },
  { marks: [['public', 'domain', 'mark'], ['pdm']], words: ['cc', 'pdm'], versions: single(PUBLIC_DOMAIN_MARK, '1.0') },
  { marks: [['odbl']], words: ['odc', 'license'], versions: single(ODBL, '1.0') },
  { marks: [['odc', 'by']], words: ['license'], versions: single(ODC_BY, '1.0') },
  { marks: [['pddl'], ['odc', 'dedication']], words: ['odc', 'dedication'], versions: single(PDDL, '1.0') },
  { marks: [['lo']], words: ['open', 'license', 'fr'], versions: { '1.0': LO_1, '2.0': LO_2 } },
  // Canada, Ontario or Toronto have an "Open Government Licence" 1.0 or 2.0 of their own; only the UK has a 3.0.
  { marks: [['ogl']], words: [], versions: { '3.0': OGL_3 } },
  { marks: [['ogl', 'uk']], words: [], versions: { '1.0': OGL_1, '2.0': OGL_2, '3.0': OGL_3 } },
  { marks: [['dl', 'de', 'by']], words: [], versions: { '2.0': DL_DE_BY } },
  { marks: [['dl', 'de', 'zero']], words: [], versions: { '2.0': DL_DE_ZERO } },
];

/** Addresses of one licence text each, without scheme, `www.` and closing slash, in lower case. */
const ADDRESSES: ReadonlyMap<string, LicenseText> = new Map([
  ['creativecommons.org/publicdomain/zero/1.0', CC0],
  ['opendefinition.org/licenses/cc-zero', CC0],
  ['dcat-ap.de/def/licenses/cc-zero', CC0],
  ['publications.europa.eu/resource/authority/licence/cc0', CC0],
  ['creativecommons.org/publicdomain/mark/1.0', PUBLIC_DOMAIN_MARK],
  ['opendatacommons.org/licenses/odbl', ODBL],
  ['opendatacommons.org/licenses/odbl/1.0', ODBL],
  ['opendatacommons.org/licenses/odbl/1-0', ODBL],
  ['opendatacommons.org/licenses/odbl/summary', ODBL],
  ['opendefinition.org/licenses/odc-odbl', ODBL],
  ['publications.europa.eu/resource/authority/licence/odc_bl', ODBL],
  ['opendatacommons.org/licenses/by', ODC_BY],
  ['opendatacommons.org/licenses/by/1.0', ODC_BY],
  ['opendatacommons.org/licenses/by/1-0', ODC_BY],
  ['opendatacommons.org/licenses/by/summary', ODC_BY],
  ['opendefinition.org/licenses/odc-by', ODC_BY],
  ['publications.europa.eu/resource/authority/licence/odc_by', ODC_BY],
  ['opendatacommons.org/licenses/pddl', PDDL],
  ['opendatacommons.org/licenses/pddl/1.0', PDDL],
  ['opendatacommons.org/licenses/pddl/1-0', PDDL],
  ['opendatacommons.org/licenses/pddl/summary', PDDL],
  ['opendefinition.org/licenses/odc-pddl', PDDL],
  ['publications.europa.eu/resource/authority/licence/odc_pddl', PDDL],
  ['etalab.gouv.fr/wp-content/uploads/2014/05/licence_ouverte.pdf', LO_1],
  ['etalab.gouv.fr/wp-content/uploads/2014/05/open_licence.pdf', LO_1],
  ['etalab.gouv.fr/wp-content/uploads/2017/04/etalab-licence-ouverte-v2.0.pdf', LO_2],
  ['etalab.gouv.fr/wp-content/uploads/2018/11/open-licence.pdf', LO_2],
  ...[OGL_1, OGL_2, OGL_3].map(
    (text, index) => [`nationalarchives.gov.uk/doc/open-government-licence/version/${index + 1}`, text] as const,
  ),
  ['publications.europa.eu/resource/authority/licence/cc_by_4_0', ccLicense('by', '4.0', null)],
  ['publications.europa.eu/resource/authority/licence/cc_bysa_4_0', ccLicense('by-sa', '4.0', null)],
  ['dcat-ap.de/def/licenses/cc-by/4.0', ccLicense('by', '4.0', null)],
  ['dcat-ap.de/def/licenses/dl-by-de/2.0', DL_DE_BY],
  ['dcat-ap.de/def/licenses/dl-zero-de/2.0', DL_DE_ZERO],
  ['govdata.de/dl-de/by-2-0', DL_DE_BY],
  ['govdata.de/dl-de/zero-2-0', DL_DE_ZERO],
]);

/**
 * Addresses that name a licence but no version. They prove nothing, yet contradict the wrong licence: the texts they
 * stand for, as words.
 */
const VAGUE_ADDRESSES: ReadonlyMap<string, string> = new Map([
  ['opendefinition.org/licenses/cc-by', 'cc by'],
  ['opendefinition.org/licenses/cc-by-sa', 'cc by sa'],
  ['nationalarchives.gov.uk/doc/open-government-licence', 'ogl uk'],
  ['reference.data.gov.uk/id/open-government-licence', 'ogl uk'],
  ['etalab.gouv.fr/licence-ouverte-open-licence', 'licence ouverte'],
  ['etalab.gouv.fr/pages/licence_ouverte_open_licence-5899923.html', 'licence ouverte'],
  ['wiki.data.gouv.fr/wiki/licence_ouverte_/_open_licence', 'licence ouverte'],
]);

/** What a portal writes when it says nothing. Folded. */
const NOT_STATED: ReadonlySet<string> = new Set(
  splitEntries([
    'notspecified | not specified | license not specified | licence not specified | no license specified',
    'no licence specified | unspecified | not stated | undeclared | not available | n a | na | none | null',
    'licence non specifiee | non specifiee | non specifie | licence inconnue | aucune | non renseigne',
    'no se especifico la licencia | licencia no especificada | no especificada | sin licencia | no aplica',
    'licens ej angiven | ej angiven | ej angivet | okand | keine angabe | nicht angegeben | unbekannt',
    'unknown',
  ]),
);

interface Clue {
  /** The licence this clue proves alone, or null. */
  readonly proves: LicenseText | null;
  /** False when this clue speaks against the licence. */
  allows(text: LicenseText): boolean;
}

const ALLOWS_ALL = (): boolean => true;
const ALLOWS_NONE = (): boolean => false;
const proof = (text: LicenseText): Clue => ({ proves: text, allows: (other) => other.id === text.id });

const VERSION_WORD = /^v?(\d{1,2})(?:\.(\d{1,2}))?$/;

/** The words of a text in their one spelling, and the versions it names ("v2", "version 2.0" and "2.0" are one). */
function splitVersions(text: string): { readonly words: readonly string[]; readonly versions: readonly string[] } {
  let spelled = foldText(text);
  for (const [pattern, word] of SPELLINGS) spelled = spelled.replaceAll(pattern, word);
  const words: string[] = [];
  const versions = new Set<string>();
  for (const word of spelled.split(' ')) {
    const match = VERSION_WORD.exec(word);
    if (match !== null) versions.add(`${match[1]}.${match[2] ?? '0'}`);
    else if (word !== '' && word !== 'version' && word !== 'v') words.push(word);
  }
  return { words, versions: [...versions] };
}

/** `other-closed`, `other-pd`: entries of CKAN's register that say the licence is none of the listed ones. */
const OTHER_LICENSE = /^(other|otra|autre|annan|andere)\b/;

function readWords(text: string): Clue {
  const { words, versions } = splitVersions(text);
  const said = new Set(words);
  let longest = 0;
  let meant: Wording[] = [];
  let proves: LicenseText | null = null;
  for (const wording of WORDINGS) {
    // The longest wording that occurs is the one meant: "CC BY SA" also contains "CC BY".
    const length = wording.marks.reduce(
      (best, mark) => (mark.length > best && mark.every((word) => said.has(word)) ? mark.length : best),
      0,
    );
    if (length === 0 || length < longest) continue;
    if (length > longest) {
      longest = length;
      meant = [];
      proves = null;
    }
    meant.push(wording);
    const neutral = new Set([...wording.words, ...wording.marks.flat()]);
    // Only the mark's own words and neutral ones: a condition word of another variant is in a longer mark.
    if (versions.length <= 1 && words.every((word) => neutral.has(word)))
      proves ??= wording.versions[versions[0] ?? ''] ?? null;
  }
  if (proves !== null) return proof(proves);
  if (longest === 0) return { proves: null, allows: OTHER_LICENSE.test(foldText(text)) ? ALLOWS_NONE : ALLOWS_ALL };
  const possible = new Set(
    meant.flatMap((wording) =>
      Object.entries(wording.versions).flatMap(([version, { id }]) =>
        versions.length === 0 || versions.includes(version) ? [id] : [],
      ),
    ),
  );
  // A port says its language in words ("3.0 Italia"), which no table of ours knows.
  return { proves: null, allows: ({ id }) => possible.has(id) || possible.has(id.replace(/(?<=\d\.\d)-[A-Z]+$/, '')) };
}

const CC_ADDRESS =
  /^creativecommons\.org\/licenses\/([a-z-]+)\/(\d\.\d)(?:\/([a-z]{2,3}))?(?:\/(?:deed|legalcode)(?:[._-][a-z-]{2,10})?)?$/;
const SPDX_ADDRESS = /^spdx\.org\/licenses\/([a-z0-9.-]+?)(?:\.html|\.json)?$/;

function readAddress(url: string): Clue {
  const address = url
    .trim()
    .toLowerCase()
    .replace(/^https?:\/\/(www\.)?/, '')
    .replace(/[?#].*$/s, '')
    .replaceAll(/\/+$/g, '');
  const text = ADDRESSES.get(address) ?? ADDRESSES.get(address.replace(/\/(deed|legalcode)([._-][a-z-]{2,10})?$/, ''));
  if (text !== undefined) return proof(text);
  const cc = CC_ADDRESS.exec(address);
  if (cc !== null) {
    const [, variant = '', version = '', port] = cc;
    if (isCcVariant(variant) && CC_VERSIONS.includes(version) && !(port !== undefined && version === '4.0'))
      return proof(ccLicense(variant, version, port ?? null));
    return { proves: null, allows: ALLOWS_NONE };
  }
  const spdx = SPDX_ADDRESS.exec(address)?.[1];
  if (spdx !== undefined) return readWords(spdx);
  const vague = VAGUE_ADDRESSES.get(address);
  return vague === undefined ? { proves: null, allows: ALLOWS_ALL } : readWords(vague);
}

const ADDRESS = /^(?:https?:\/\/)?(?:[a-z0-9-]+\.)+[a-z]{2,10}(?:\/|$)/i;
const MARKUP = /<[a-z!/]/i;
/** Characters. A text beyond it is a document, not the name of a licence. */
const LONGEST_NAME = 2_000;

/**
 * What a portal says about a licence, as one of ours. KNOWN only when it is proven: an identifier or address whose
 * version is certain, and nothing beside it that says otherwise. Contradictions, unversioned names ("CC BY",
 * "Licence Ouverte") and markup are UNRECOGNISED; nothing, or a word for nothing ("notspecified"), is NOT_STATED.
 *
 * `CC-BY-4.0-ESP` (Mexico City) alone is UNRECOGNISED: it is a private key of that portal's register, not an SPDX
 * identifier, and Creative Commons publishes no "ESP" text. Together with the address its register gives for it
 * (`.../by/4.0/deed.es`) it is CC-BY-4.0. `fr-lo` alone is UNRECOGNISED too: public clients read it as version 1 and
 * as version 2, because data.gouv.fr also gives it to datasets that only say "Licence Ouverte".
 *
 * `raw` is the title, else the id, else the address, as written; null when all are blank. Addresses inside the id or
 * the title count as addresses. Never throws.
 */
export function normaliseLicense(input: {
  readonly id?: string | null;
  readonly title?: string | null;
  readonly url?: string | null;
}): License {
  const said = [input.title, input.id, input.url].flatMap((text) =>
    text === undefined || text === null || text.trim() === '' ? [] : [text],
  );
  const raw = said[0] ?? null;
  const unknown = (status: 'UNRECOGNISED' | 'NOT_STATED'): License => ({
    status,
    id: null,
    uri: null,
    title: null,
    raw,
    family: null,
  });
  const silent = said.filter((text) => text.length <= LONGEST_NAME && NOT_STATED.has(foldText(text)));
  if (silent.length === said.length) return unknown('NOT_STATED');
  if (silent.length > 0 || said.some((text) => text.length > LONGEST_NAME || MARKUP.test(text)))
    return unknown('UNRECOGNISED');

  const clues: Clue[] = [];
  for (const text of said) {
    const parts = text.split(/\s+/).map((part) => part.replace(/^[("']+/, '').replace(/[)"'.,;:]+$/, ''));
    clues.push(...parts.filter((part) => ADDRESS.test(part)).map(readAddress));
    const words = parts.filter((part) => !ADDRESS.test(part)).join(' ');
    if (words.trim() !== '') clues.push(readWords(words));
  }
  const proven = clues.find(({ proves }) => proves !== null)?.proves ?? null;
  if (proven === null || !clues.every((clue) => clue.allows(proven))) return unknown('UNRECOGNISED');
  return { status: 'KNOWN', id: proven.id, uri: proven.uri, title: proven.title, raw, family: proven.family };
}
