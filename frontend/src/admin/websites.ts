// Changes to the list of web sites, and what is said about them.
import type { WebHandler } from '../api/admin.ts'

export type Kind = 'WebStatic' | 'WebRedirect' | 'WebForward' | 'WebInternal'

export const kinds: [Kind, string][] = [
	['WebStatic', 'Serve files'],
	['WebRedirect', 'Redirect'],
	['WebForward', 'Forward to another web server'],
	['WebInternal', "Serve one of mox's own applications"],
]

// kindOf is what a handler does.
export function kindOf(h: WebHandler): Kind {
	return kinds.find(([k]) => h[k] !== null)?.[0] ?? 'WebStatic'
}

// blank is a new handler.
export function blank(): WebHandler {
	return {
		LogName: '', Domain: '', PathRegexp: '^/', DontRedirectPlainHTTP: false, Compress: false,
		WebStatic: { StripPrefix: '', Root: '', ListFiles: false, ContinueNotFound: false, ResponseHeaders: {} },
		WebRedirect: null, WebForward: null, WebInternal: null,
	}
}

// withKind is a handler that does something else, with what it has been given for that before.
export function withKind(h: WebHandler, kind: Kind, before: WebHandler): WebHandler {
	return {
		...h,
		WebStatic: kind === 'WebStatic' ? before.WebStatic ?? blank().WebStatic : null,
		WebRedirect: kind === 'WebRedirect' ? before.WebRedirect ?? { BaseURL: '', OrigPathRegexp: '', ReplacePath: '', StatusCode: 0 } : null,
		WebForward: kind === 'WebForward' ? before.WebForward ?? { StripPath: false, URL: '', ResponseHeaders: {} } : null,
		WebInternal: kind === 'WebInternal' ? before.WebInternal ?? { BasePath: '/', Service: 'account' } : null,
	}
}

// summary says what a handler does.
export function summary(h: WebHandler): string {
	if (h.WebStatic) return `Files of ${h.WebStatic.Root}`
	if (h.WebForward) return `Forwarded to ${h.WebForward.URL}`
	if (h.WebInternal) return `mox's ${h.WebInternal.Service}, at ${h.WebInternal.BasePath}`
	const r = h.WebRedirect
	if (!r) return ''
	return `Redirected to ${[r.BaseURL || 'the same site', r.ReplacePath && `path ${r.ReplacePath}`].filter(Boolean).join(', ')} (${r.StatusCode || 308})`
}

// details are the settings of a handler that are not as usual.
export function details(h: WebHandler): string[] {
	const l: string[] = []
	if (h.DontRedirectPlainHTTP) l.push('also without TLS')
	if (h.Compress) l.push('compressed')
	if (h.WebStatic?.StripPrefix) l.push(`without ${h.WebStatic.StripPrefix} before the path`)
	if (h.WebStatic?.ListFiles) l.push('directories listed')
	if (h.WebStatic?.ContinueNotFound) l.push('what is not there is left to the next')
	if (h.WebRedirect?.OrigPathRegexp) l.push(`only paths that match ${h.WebRedirect.OrigPathRegexp}`)
	if (h.WebForward?.StripPath) l.push('without the matched path')
	const headers = h.WebStatic?.ResponseHeaders ?? h.WebForward?.ResponseHeaders ?? {}
	for (const [name, value] of Object.entries(headers)) l.push(`header ${name}: ${value}`)
	return l
}

// headersText has a line "Name: value" for each header field.
export function headersText(headers: Record<string, string>): string {
	return Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join('\n')
}

// parseHeaders reads such lines. The error is of the first that is none.
export function parseHeaders(text: string): { headers: Record<string, string>; error?: string } {
	const headers: Record<string, string> = {}
	for (const line of text.split('\n').map(l => l.trim()).filter(l => l !== '')) {
		const at = line.indexOf(':')
		if (at <= 0) return { headers, error: `“${line}” is not of the form “Name: value”.` }
		const name = line.slice(0, at).trim()
		if (name in headers) return { headers, error: `${name} is there twice.` }
		headers[name] = line.slice(at + 1).trim()
	}
	return { headers }
}

// same tells that two values are equal, whatever the order of their keys.
export function same(a: unknown, b: unknown): boolean {
	return stable(a) === stable(b)
}

function stable(v: unknown): string {
	return JSON.stringify(v, (_, x: unknown) => x !== null && typeof x === 'object' && !Array.isArray(x) ? Object.fromEntries(Object.entries(x).sort(([p], [q]) => p < q ? -1 : 1)) : x)
}

// find is where something is now that was at an index before; -1 if it is no longer as it was.
function find<T>(list: T[], was: T, index: number): number {
	if (index < list.length && same(list[index], was)) return index
	const at = list.findIndex(x => same(x, was))
	return at
}

// replaced is a list with something else in the place of what was there. Null: it is not there as it was. Without
// next it is removed.
export function replaced<T>(list: T[], was: T, index: number, next?: T): T[] | null {
	const at = find(list, was, index)
	if (at < 0) return null
	return list.toSpliced(at, 1, ...next === undefined ? [] : [next])
}

// moved is a list with something further up (-1) or down (1). Null: it is not there as it was.
export function moved<T>(list: T[], was: T, index: number, by: number): T[] | null {
	const at = find(list, was, index)
	const to = at + by
	if (at < 0 || to < 0 || to >= list.length) return null
	return list.toSpliced(at, 1).toSpliced(to, 0, was)
}

// Errors are what the server says of a configuration: by field of one entry, and the rest.
export interface Errors {
	fields: Record<string, string>
	rest: string[]
}

// errorsOf takes the lines about one entry, such as "WebHandlers[2]", out of what the server says.
export function errorsOf(message: string, entry: string): Errors {
	const fields: Record<string, string> = {}
	const rest: string[] = []
	for (const line of message.split('\n').map(l => l.trim()).filter(l => l !== '')) {
		const at = line.indexOf(entry)
		const after = at < 0 ? '' : line.slice(at + entry.length)
		const m = /^\.([A-Za-z]+(?:\.[A-Za-z]+)?)(?:\.[^:]*)?: (.*)$/.exec(after)
		if (m) fields[m[1]!] = m[2]!
		else if (at >= 0 && /^(\.[A-Za-z]+)?: /.test(after)) rest.push(after.slice(after.indexOf(': ') + 2))
		else rest.push(line)
	}
	return { fields, rest }
}

