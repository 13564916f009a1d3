import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Timer, Timers } from '@civex/environment';
import { isHubError } from '@civex/errors';
import type { Asker } from './access.ts';
import type { Gateway } from './create-gateway.ts';
import { exportStatus, parseExportTarget } from './exports.ts';
import type { ExportQuestion, OpenExport } from './exports.ts';
import { Refusal } from './refusal.ts';

export interface ExportServerOptions {
  readonly gateway: Pick<Gateway, 'withExport'>;
  /** Finds out who asks. @throws Refusal. */
  readonly admit: (request: IncomingMessage) => Promise<Asker>;
  /** Milliseconds in which a caller may take nothing before it is cut off: it holds a connection to the portal. */
  readonly stalledMs: number;
  /** Exports under way at once; beyond it 503. */
  readonly concurrentExports: number;
  readonly environment: Pick<Clock, 'monotonicMs'> & Timers;
  /** Counts one export. `outcome` is `ok` or an error code. */
  readonly onExport: (outcome: string, durationMs: number) => void;
}

/**
 * How often it is looked whether a caller who takes nothing may still have the file, in milliseconds: what it has not
 * taken by then has left nobody but this process.
 */
const LOOK_MS = 1_000;

/**
 * Waits until the caller has taken what was written.
 *
 * @throws when the caller is gone or takes nothing for `stalledMs`; what `confirm` throws.
 */
function drained(
  response: ServerResponse,
  environment: Timers,
  stalledMs: number,
  confirm: (() => Promise<void>) | null,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let isSettled = false;
    let look: Timer | null = null;
    const settle = (end: () => void) => () => {
      isSettled = true;
      environment.clearTimer(timer);
      environment.clearTimer(look);
      response.off('drain', onDrain).off('close', onClose);
      end();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(new Error('the caller is gone')));
    const timer = environment.setTimer(
      settle(() => reject(new Error('the caller takes nothing'))),
      stalledMs,
    );
    const watch = (confirmOnce: () => Promise<void>): void => {
      if (isSettled) return;
      look = environment.setTimer(() => {
        confirmOnce().then(
          () => watch(confirmOnce),
          (error: Error) => settle(() => reject(error))(),
        );
      }, LOOK_MS);
    };
    if (confirm !== null) watch(confirm);
    response.once('drain', onDrain).once('close', onClose);
  });
}

const toRefusal = (error: unknown): Refusal => {
  if (!isHubError(error)) throw error;
  const { retryAfterMs } = error.facts;
  return new Refusal(
    exportStatus(error),
    error.code,
    error.message,
    retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) },
  );
};

function headersOf(opened: OpenExport): Readonly<Record<string, string>> {
  const links = [`<${opened.metadataPath}>; rel="describedby"; type="application/json"`];
  if (opened.licenseUri !== null && URL.canParse(opened.licenseUri))
    links.push(`<${new URL(opened.licenseUri).href}>; rel="license"`);
  return {
    'content-type': opened.mediaType,
    'content-disposition': `attachment; filename="${opened.fileName}"`,
    'x-content-type-options': 'nosniff',
    'cache-control': opened.isOpenData ? 'no-cache' : 'no-store',
    link: links.join(', '),
    'civex-resumable': String(opened.isResumable),
    trailer: 'Civex-Export-Status, Civex-Export-Records',
  };
}

/**
 * Serves `GET /exports/{datasetId}.{format}`. What is wrong before the first batch is answered with its status. What
 * goes wrong later cuts the connection inside the chunked body, which every HTTP/1.1 client reports as an error, and the
 * trailer that says `complete` is missing: a file that looks whole is whole. An agreement that is not in force any longer
 * cuts it within a second, whether its caller reads or not.
 */
export function createExportServer(
  options: ExportServerOptions,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { gateway, admit, concurrentExports, environment, onExport, stalledMs } = options;
  let running = 0;

  async function send(opened: OpenExport, response: ServerResponse): Promise<void> {
    response.writeHead(200, headersOf(opened));
    const confirm = opened.isOpenData ? null : opened.confirm;
    for await (const chunk of opened.chunks)
      if (!response.write(chunk)) await drained(response, environment, stalledMs, confirm);
    await confirm?.();
    response.addTrailers({
      'Civex-Export-Status': 'complete',
      'Civex-Export-Records': String(opened.records()),
    });
    // What is left is in buffers: it goes or the connection does.
    response.setTimeout(stalledMs, () => response.destroy());
    response.end();
  }

  return async (request, response) => {
    if (request.method !== 'GET')
      throw new Refusal(405, 'INPUT_INVALID', 'Exports are read with GET.', { allow: 'GET' });
    // Without chunks the end of the connection is the end of the file, and a cut file would look whole.
    if (request.httpVersion === '1.0') throw new Refusal(505, 'INPUT_INVALID', 'Exports need HTTP/1.1.');
    let question: ExportQuestion | null;
    try {
      question = parseExportTarget(request.url ?? '');
    } catch (error) {
      throw toRefusal(error);
    }
    if (question === null) throw new Refusal(404, 'NOT_FOUND', 'Nothing is served here.');
    const asker = await admit(request);
    if (running >= concurrentExports)
      throw new Refusal(503, 'SOURCE_OVERLOADED', 'The hub is busy with other exports; try again shortly.', {
        'retry-after': '10',
      });
    running++;
    const startedAt = environment.monotonicMs();
    const gone = new AbortController();
    const onClose = (): void => gone.abort();
    response.once('close', onClose);
    let outcome = 'INTERNAL';
    try {
      await gateway.withExport(question, { signal: gone.signal, asker }, (opened) => send(opened, response));
      outcome = 'ok';
    } catch (error) {
      outcome = gone.signal.aborted ? 'CANCELLED' : isHubError(error) ? error.code : 'INTERNAL';
      if (response.headersSent) {
        // What waits for its way out is lost to a caller who may not have it any longer.
        if (outcome === 'ACCESS_DENIED') response.socket?.resetAndDestroy();
        response.destroy();
        return;
      }
      throw toRefusal(error);
    } finally {
      response.off('close', onClose);
      running--;
      onExport(outcome, environment.monotonicMs() - startedAt);
    }
  };
}
