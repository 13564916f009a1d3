/** An answer of the Action API that is no success: its status and the whole `error` object. */
export class CkanError extends Error {
  override readonly name = 'CkanError';
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;

  constructor(status: number, body: Readonly<Record<string, unknown>>) {
    super('Action API error');
    this.status = status;
    this.body = body;
  }
}

type Message =
  | 'notFound'
  | 'accessDenied'
  | 'notAuthorized'
  | 'missingValue'
  | 'invalidInteger'
  | 'naturalNumber'
  | 'resourceNotFound'
  | 'serverError';

/** Texts are localised; only `__type` tells the kind of an error. */
const MESSAGES: Readonly<Record<string, Readonly<Record<Message, string>>>> = {
  en: {
    notFound: 'Not found',
    accessDenied: 'Access denied',
    notAuthorized: 'User  not authorized to read {0}',
    missingValue: 'Missing value',
    invalidInteger: 'Invalid integer',
    naturalNumber: 'Must be a natural number',
    resourceNotFound: 'Resource "{0}" was not found.',
    serverError: 'Internal Server Error',
  },
  es: {
    notFound: 'No encontrado',
    accessDenied: 'Acceso denegado',
    notAuthorized: 'El usuario  no está autorizado para leer {0}',
    missingValue: 'Falta un valor',
    invalidInteger: 'Entero inválido',
    naturalNumber: 'Debe ser un número natural',
    resourceNotFound: 'El recurso "{0}" no se ha encontrado.',
    serverError: 'Error interno del servidor',
  },
  fr: {
    notFound: 'Introuvable',
    accessDenied: 'Accès refusé',
    notAuthorized: "L'utilisateur  n'est pas autorisé à lire {0}",
    missingValue: 'Valeur manquante',
    invalidInteger: 'Entier invalide',
    naturalNumber: 'Doit être un nombre naturel',
    resourceNotFound: 'La ressource "{0}" est introuvable.',
    serverError: 'Erreur interne du serveur',
  },
};

export interface CkanErrors {
  readonly text: (message: Message) => string;
  readonly notFound: (detail?: string) => CkanError;
  readonly resourceNotFound: (id: string) => CkanError;
  readonly notAuthorized: (id: string) => CkanError;
  /** A field map without a message. */
  readonly validation: (fields: Readonly<Record<string, readonly string[]>>) => CkanError;
  readonly searchQuery: (detail: string) => CkanError;
  readonly search: (detail: string) => CkanError;
}

/** Python's repr of a text: the quotes depend on what is inside. */
function toRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  return quote + text.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`) + quote;
}

export function createCkanErrors(language: string): CkanErrors {
  const messages = MESSAGES[language] ?? MESSAGES['en'];
  const text = (message: Message): string => messages?.[message] ?? message;
  return {
    text,
    notFound: (detail) =>
      new CkanError(404, {
        __type: 'Not Found Error',
        message: detail === undefined ? text('notFound') : `${text('notFound')}: ${detail}`,
      }),
    resourceNotFound: (id) =>
      new CkanError(404, {
        __type: 'Not Found Error',
        message: `${text('notFound')}: ${text('resourceNotFound').replace('{0}', id)}`,
      }),
    notAuthorized: (id) =>
      new CkanError(403, {
        __type: 'Authorization Error',
        message: `${text('accessDenied')}: ${text('notAuthorized').replace('{0}', id)}`,
      }),
    validation: (fields) => new CkanError(409, { __type: 'Validation Error', ...fields }),
    searchQuery: (detail) =>
      new CkanError(400, { __type: 'Search Query Error', message: `Search Query is invalid: ${toRepr(detail)}` }),
    search: (detail) => new CkanError(409, { __type: 'Search Error', message: `Search error: ${toRepr(detail)}` }),
  };
}
