#!/usr/bin/env node
import process from 'node:process';
import { createProcessWorld } from './process-world.ts';
import { runCli } from './run-cli.ts';

// A reader that went away (`civex query ... | head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), createProcessWorld());

// Everything has been closed; a socket that lingers in spite of that must not hold the terminal. 3 s.
setTimeout(() => process.exit(), 3_000).unref();
