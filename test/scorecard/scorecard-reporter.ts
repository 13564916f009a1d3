import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';
import type { Figure } from './figures.d.ts';

/** Collects the figures that tests put on their tasks into one file, for `scorecard.ts`. */
export default class ScorecardReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const file = process.env['CIVEX_FIGURES'];
    if (file === undefined) return;
    const figures: (Figure & { readonly test: string })[] = [];
    for (const module of modules)
      for (const test of module.children.allTests()) {
        const passed = test.result().state === 'passed';
        for (const figure of test.meta().figures ?? [])
          // A figure of a test that failed is none.
          figures.push({
            ...figure,
            isMet: figure.isMet && passed,
            test: `${module.relativeModuleId}: ${test.fullName}`,
          });
      }
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(figures, null, 2));
  }
}
