import { describeCentralLaw } from './support/describe-central-law.ts';

describeCentralLaw('ckan', ['beyond a silent cap']);
