import { describeCentralLaw } from './support/describe-central-law.ts';

describeCentralLaw('opendatasoft', [
  "around Opendatasoft's own page of 100",
  "around Opendatasoft's own window of 10,000",
  'operator bbox',
  'operator withinMetres',
]);
