/** The formats that are regular languages, as patterns for the whole text. */

const HEX = '[0-9A-Fa-f]';
const LEAP_YEAR = '(?:\\d{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)';
const DATE =
  `(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))|${LEAP_YEAR}-02-29)`;
const OFFSET = '(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)';
const FRACTION = '(?:\\.\\d+)?';
const TIME = `(?:(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d${FRACTION}${OFFSET}|${leapSeconds()})`;
const NUMBER = '\\d+';
const DURATION_TIME = `T(?:${NUMBER}H(?:${NUMBER}M(?:${NUMBER}S)?)?|${NUMBER}M(?:${NUMBER}S)?|${NUMBER}S)`;
const DURATION_DATE = `(?:${NUMBER}Y(?:${NUMBER}M(?:${NUMBER}D)?)?|${NUMBER}M(?:${NUMBER}D)?|${NUMBER}D)`;
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = `${OCTET}(?:\\.${OCTET}){3}`;
/** Labels whose third and fourth letters are hyphens spell Unicode, and whether they do it well no pattern can tell: they are left out. */
const ALNUM = '[A-Za-z0-9]';
const LABEL = `${ALNUM}(?:${ALNUM}|[A-Za-z0-9-](?:${ALNUM}|-${ALNUM}|${ALNUM}${ALNUM}|(?:${ALNUM}[A-Za-z0-9-]|-${ALNUM})[A-Za-z0-9-]{0,58}${ALNUM}))?`;
const HOST = `${LABEL}(?:\\.${LABEL})*`;
const IPV6 = ipv6();
const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]";
const QUOTED = '"(?:[ !#-\\[\\]-~]|\\\\[ -~]){0,62}"';
const EMAIL = `(?:${ATEXT}+(?:\\.${ATEXT}+)*|${QUOTED})@(?:${HOST}|\\[(?:${IPV4}|IPv6:${IPV6})\\])`;
const ESCAPED = `%${HEX}{2}`;
/** Characters beyond ASCII that IRIs may hold, and those that they may hold in queries only. */
const UCS = `\\u00a0-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\uffef${Array.from({ length: 14 }, (_, plane) => `\\u{${(plane + 1).toString(16)}${plane === 13 ? '1' : '0'}000}-\\u{${(plane + 1).toString(16)}fffd}`).join('')}`;
const PRIVATE = '\\ue000-\\uf8ff\\u{f0000}-\\u{ffffd}\\u{100000}-\\u{10fffd}';
const [URI, URI_REFERENCE] = identifiers('', '');
const [IRI, IRI_REFERENCE] = identifiers(UCS, PRIVATE);
const TEMPLATE_LITERAL = `(?:[!#-$&-;=?-\\[\\]_a-z~${UCS}${PRIVATE}]|${ESCAPED})`;
const TEMPLATE_CHAR = `(?:\\w|${ESCAPED})`;
const TEMPLATE_VARIABLE = `${TEMPLATE_CHAR}+(?:\\.${TEMPLATE_CHAR}+)*(?::[1-9]\\d{0,3}|\\*)?`;
const POINTER = '(?:/(?:[^~/]|~[01])*)*';

export interface Format {
  readonly pattern: string;
  readonly maxLength?: number;
}

export const FORMATS: Readonly<Record<string, Format>> = {
  date: { pattern: DATE },
  time: { pattern: TIME },
  'date-time': { pattern: `${DATE}[Tt]${TIME}` },
  duration: { pattern: `P(?:${NUMBER}W|${DURATION_DATE}(?:${DURATION_TIME})?|${DURATION_TIME})` },
  email: { pattern: EMAIL },
  hostname: { pattern: HOST, maxLength: 253 },
  ipv4: { pattern: IPV4 },
  ipv6: { pattern: IPV6 },
  uuid: { pattern: `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}` },
  uri: { pattern: URI },
  'uri-reference': { pattern: URI_REFERENCE },
  iri: { pattern: IRI },
  'iri-reference': { pattern: IRI_REFERENCE },
  'uri-template': { pattern: `(?:${TEMPLATE_LITERAL}|\\{[+#./;?&=,!@|]?${TEMPLATE_VARIABLE}(?:,${TEMPLATE_VARIABLE})*\\})*` },
  'json-pointer': { pattern: POINTER },
  'relative-json-pointer': { pattern: `(?:0|[1-9]\\d{0,8})(?:#|${POINTER})` },
};

/** Formats of the standard that are not regular, or beyond what a pattern can say. */
export const REFUSED_FORMATS: ReadonlySet<string> = new Set(['idn-email', 'idn-hostname', 'regex']);

/** RFC 3986 and RFC 3987: absolute ones, and references. */
function identifiers(more: string, inQueries: string): readonly [string, string] {
  const unreserved = `A-Za-z0-9\\-._~!$&'()*+,;=${more}`;
  const pchar = `(?:[${unreserved}:@]|${ESCAPED})`;
  const authority = `(?:(?:[${unreserved}:]|${ESCAPED})*@)?(?:\\[(?:${IPV6}|[vV]${HEX}+\\.[A-Za-z0-9\\-._~!$&'()*+,;=:]+)\\]|(?:[${unreserved}]|${ESCAPED})*)(?::\\d*)?`;
  const path = `(?:/${pchar}*)*`;
  const tail = `(?:\\?(?:${pchar}|[/?${inQueries}])*)?(?:#(?:${pchar}|[/?])*)?`;
  const scheme = '[A-Za-z][A-Za-z0-9+.\\-]*:';
  const after = (first: string): string => `(?://${authority}${path}|/(?:${pchar}+${path})?|${first}+${path})?`;
  return [`${scheme}${after(pchar)}${tail}`, `(?:${scheme}${after(pchar)}|${after(`(?:[${unreserved}@]|${ESCAPED})`)})${tail}`];
}

/** The 61st second of a day, wherever its last minute falls: offsets of whole quarters of an hour, as all in use are. */
function leapSeconds(): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const forms = [`23:59:60${FRACTION}(?:[Zz]|[+-]00:00)`];
  for (let offset = 15; offset < 24 * 60; offset += 15) {
    for (const [sign, direction] of [['[+]', 1], ['-', -1]] as const) {
      const local = (24 * 60 - 1 + direction * offset) % (24 * 60);
      forms.push(`${two(Math.floor(local / 60))}:${two(local % 60)}:60(?:\\.\\d{1,3})?${sign}${two(Math.floor(offset / 60))}:${two(offset % 60)}`);
    }
  }
  return forms.join('|');
}

function ipv6(): string {
  const group = `${HEX}{1,4}`;
  const last = `(?:${group}:${group}|${IPV4})`;
  const forms = [`(?:${group}:){6}${last}`];
  for (let before = 0; before <= 7; before++) {
    const head = before === 0 ? '' : `${group}(?::${group}){${before - 1}}`;
    const after = 7 - before;
    const tails: string[] = after === 0 ? [''] : [`(?:${group}(?::${group}){0,${after - 1}})?`];
    // An IPv4 address at the end takes two groups' place.
    if (after >= 2) tails.push(`(?:${group}:){0,${after - 2}}${IPV4}`);
    forms.push(`${head}::(?:${tails.join('|')})`);
  }
  return `(?:${forms.join('|')})`;
}
