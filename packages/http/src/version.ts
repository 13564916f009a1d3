/** Sent as the product version in `user-agent`; a test keeps it equal to package.json. */
export const VERSION = '0.1.0';
