#!/usr/bin/env node
import { enableCompileCache, flushCompileCache } from 'node:module';
import process from 'node:process';

// What was compiled at one start is there at the next; so everything else is imported after this.
enableCompileCache();
// Whoever is killed writes nothing when it ends: by then everything is loaded. 5 s.
setTimeout(flushCompileCache, 5_000).unref();
const { createProcessWorld } = await import('./process-world.ts');
const { runCli } = await import('./run-cli.ts');

// A reader that went away (`civex query ... | head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), createProcessWorld());

// Everything has been closed; a socket that lingers in spite of that must not hold the terminal. 3 s.
setTimeout(() => process.exit(), 3_000).unref();
