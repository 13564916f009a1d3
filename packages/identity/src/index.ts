export type { Actor, OrganisationRole, ShareDetail, Subject } from './subject.ts';
