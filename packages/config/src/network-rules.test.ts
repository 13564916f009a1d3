import { describe, expect, test } from 'vitest';
import { findHeaderNameFault, findUrlFault, isHeaderValue, isPrivateCidr, normaliseBaseUrl } from './network-rules.ts';

describe('private ranges', () => {
  test.each([
    '127.0.0.1/32',
    '127.0.0.0/8',
    '10.0.0.0/8',
    '10.20.0.0/16',
    '172.16.0.0/12',
    '172.31.255.255/32',
    '192.168.1.0/24',
    '100.64.0.0/10',
    '::1/128',
    'fc00::/7',
    'fd12:3456::/32',
  ])('%s is one', (text) => expect(isPrivateCidr(text)).toBe(true));
  test.each([
    '0.0.0.0/0',
    '127.0.0.1',
    '10.0.0.0/7',
    '172.16.0.0/11',
    '172.32.0.0/16',
    '8.8.8.8/32',
    '169.254.169.254/32',
    '169.254.0.0/16',
    '192.168.0.0/33',
    '10.0.0.0/08',
    '10.0.0/8',
    '::/0',
    'fe80::/10',
    '::1/129',
    '::ffff:10.0.0.1/128',
    '2001:db8::/32',
    '127.0.0.1/32 ',
    '10.0.0.0/-1',
    '010.0.0.0/8',
    '',
  ])('%j is none', (text) => expect(isPrivateCidr(text)).toBe(false));
});

test('a base address keeps its path and loses its last slash', () => {
  expect(normaliseBaseUrl('https://open.example/data/en/')).toBe('https://open.example/data/en');
});

test('plain http is an address only where it is allowed', () => {
  expect(findUrlFault('http://a.example', true)).toBeNull();
  expect(findUrlFault('http://a.example', false)).not.toBeNull();
  expect(findUrlFault('file:///etc/passwd', true)).not.toBeNull();
});

test.each(['Accept', 'User-Agent', 'Accept-Language', 'Accept-Encoding', 'Referer', 'X-Requested-With'])(
  'the header %s may be set',
  (name) => {
    expect(findHeaderNameFault(name)).toBeNull();
  },
);

test.each([
  'HOST',
  'Connection',
  'Keep-Alive',
  'TE',
  'Upgrade',
  'Proxy-Authorization',
  'If-None-Match',
  'range',
  'X-App-Token',
  'Authorization',
  '',
])('the header %j may not be set', (name) => expect(findHeaderNameFault(name)).not.toBeNull());

test.each(['', ' a', 'a ', 'a\nb', 'a\u0000', 'é', 'a'.repeat(1_001)])(
  'the header value %j cannot be sent',
  (value) => {
    expect(isHeaderValue(value)).toBe(false);
  },
);
test.each(['a', 'a b', 'a\tb', 'a'.repeat(1_000)])('the header value %j can be sent', (value) => {
  expect(isHeaderValue(value)).toBe(true);
});
