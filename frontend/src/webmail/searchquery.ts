// What is typed into the search box, as a filter of Email/query.
import type { Filter } from './types.ts'

export interface Query {
	filter: Filter
	problems: string[] // what was not understood, as sentences
}

// Places finds mailboxes.
export interface Places {
	find: (name: string) => string | undefined // the id of the mailbox of a name, path or role
	hidden: string[] // ids of those that are searched only when asked for: trash and junk
}

interface Token {
	not: boolean
	operator: string // in lower case, or empty
	value: string
	quoted: boolean
}

// Most tokens that are read; what is more is left out.
const limit = 100

// tokens cuts a query into words, phrases and operators with their values.
function tokens(text: string): Token[] {
	const found: Token[] = []
	for (const m of text.matchAll(/(-?)(?:([a-z]+):)?(?:"([^"]*)"?|(\S+))/gi)) {
		const quoted = m[3] !== undefined
		const alone = quoted || m[2] ? null : /^([a-z]+):$/i.exec(m[4] ?? '') // an operator without value
		found.push({ not: m[1] === '-', operator: (alone?.[1] ?? m[2] ?? '').toLowerCase(), value: alone ? '' : m[3] ?? m[4] ?? '', quoted })
		if (found.length >= limit) break
	}
	return found
}

// day reads a date such as 2026-05-01, 2026-05 or 2026, and returns its first moment, in the time of the browser.
function day(value: string): string | undefined {
	const m = /^(\d{4})(?:[-/](\d{1,2}))?(?:[-/](\d{1,2}))?$/.exec(value)
	if (!m) return undefined
	const [year, month, date] = [Number(m[1]), Number(m[2] ?? 1), Number(m[3] ?? 1)]
	const at = new Date(year, month - 1, date)
	if (at.getMonth() !== month - 1 || at.getDate() !== date) return undefined
	return at.toISOString().replace(/\.\d+Z$/, 'Z')
}

// size reads 500, 10k, 5M.
function size(value: string): number | undefined {
	const m = /^(\d{1,12})([km]?)b?$/i.exec(value)
	if (!m) return undefined
	return Number(m[1]) * ({ k: 1000, m: 1e6 }[m[2]!.toLowerCase()] ?? 1)
}

const states: Record<string, Filter> = {
	unread: { notKeyword: '$seen' },
	read: { hasKeyword: '$seen' },
	starred: { hasKeyword: '$flagged' },
	flagged: { hasKeyword: '$flagged' },
	answered: { hasKeyword: '$answered' },
	draft: { hasKeyword: '$draft' },
	muted: { hasKeyword: '$muted' },
}

// condition is the filter of a token, or what is wrong with it.
function condition(t: Token, places: Places): Filter | string {
	const words = t.quoted ? `"${t.value}"` : t.value
	switch (t.operator) {
		case '':
			return { text: words }
		case 'from':
		case 'to':
		case 'cc':
		case 'bcc':
		case 'subject':
		case 'body':
			return { [t.operator]: words }
		case 'has':
			return /^(attachments?|files?)$/i.test(t.value) ? { hasAttachment: true } : `“has:” is followed by “attachment”, not by “${t.value}”.`
		case 'is':
			return states[t.value.toLowerCase()] ?? `“is:” is followed by one of ${Object.keys(states).join(', ')}.`
		case 'before':
		case 'after': {
			const at = day(t.value)
			return at ? { [t.operator]: at } : `“${t.operator}:” is followed by a date such as 2026-05-01.`
		}
		case 'larger':
		case 'smaller': {
			const bytes = size(t.value)
			return bytes === undefined ? `“${t.operator}:” is followed by a size such as 5M.` : { [t.operator === 'larger' ? 'minSize' : 'maxSize']: bytes }
		}
		case 'label':
		case 'keyword':
			return { hasKeyword: t.value.toLowerCase() }
		case 'in': {
			const id = places.find(t.value)
			return id ? { inMailbox: id } : `There is no mailbox “${t.value}”.`
		}
		default:
			// Not an operator: a word with a colon in it, such as a URL.
			return { text: t.quoted ? `"${t.operator}:${t.value}"` : `${t.operator}:${t.value}` }
	}
}

// parse reads a query. All its parts must hold.
export function parse(text: string, places: Places): Query {
	const conditions: Filter[] = []
	const problems: string[] = []
	let anywhere = false
	for (const t of tokens(text)) {
		if (t.value === '' && t.operator === '') continue
		if (t.value === '') {
			problems.push(`“${t.operator}:” is followed by what to look for.`)
			continue
		}
		if (t.operator === 'in' && /^(any|anywhere|all)$/i.test(t.value)) {
			anywhere = true
			continue
		}
		if (t.operator === 'in' && !t.not) anywhere = true
		const c = condition(t, places)
		if (typeof c === 'string') problems.push(c)
		else conditions.push(t.not ? { operator: 'NOT', conditions: [c] } : c)
	}
	if (!anywhere && places.hidden.length > 0) conditions.push({ inMailboxOtherThan: places.hidden })
	return { filter: conditions.length === 1 ? conditions[0]! : { operator: 'AND', conditions }, problems }
}

// hasWords tells whether a query has words that stand in messages, of which snippets can be shown.
export function hasWords(text: string): boolean {
	return tokens(text).some(t => !t.not && t.value !== '' && !['has', 'is', 'before', 'after', 'larger', 'smaller', 'label', 'keyword', 'in', 'from', 'to', 'cc', 'bcc'].includes(t.operator))
}

// Piece is a part of a snippet.
export interface Piece {
	text: string
	mark: boolean
}

const entities: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#34;': '"', '&#39;': '\'', '&apos;': '\'', '&amp;': '&' }

// pieces reads a SearchSnippet, RFC 8621 5: text with entities, of which parts are between <mark> and </mark>. Nothing else
// in it has a meaning.
export function pieces(snippet: string): Piece[] {
	const result: Piece[] = []
	let mark = false
	for (const part of snippet.split(/(<\/?mark>)/)) {
		if (part === '<mark>') mark = true
		else if (part === '</mark>') mark = false
		else if (part !== '') result.push({ mark, text: part.replace(/&(?:lt|gt|quot|#34|#39|apos|amp);/g, e => entities[e]!) })
	}
	return result
}
