// Changes of emails as they are seen before the server has answered, and how to take them back.
import type { Head, Patch } from './types.ts'

type Places = Pick<Head, 'mailboxIds' | 'keywords'>

// unescape reads a part of a JSON pointer, RFC 6901 4.
function unescape(part: string): string {
	return part.replaceAll('~1', '/').replaceAll('~0', '~')
}

// pointer is the path of a keyword or mailbox in a patch.
export function pointer(property: 'keywords' | 'mailboxIds', key: string): string {
	return `${property}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

// patched is an email with a patch of its keywords and mailboxes; what else a patch has is left to the server.
export function patched<T extends Places>(email: T, patch: Patch): T {
	const sets: Places = { keywords: { ...email.keywords }, mailboxIds: { ...email.mailboxIds } }
	for (const [path, value] of Object.entries(patch)) {
		const at = path.indexOf('/')
		const property = at < 0 ? path : path.slice(0, at)
		if (property !== 'keywords' && property !== 'mailboxIds') continue
		if (at < 0) sets[property] = { ...value as Record<string, boolean> }
		else if (value) sets[property][unescape(path.slice(at + 1))] = true
		else delete sets[property][unescape(path.slice(at + 1))]
	}
	return { ...email, ...sets }
}

// inverse is the patch that takes a patch of an email back.
export function inverse(email: Places, patch: Patch): Patch {
	const back: Patch = {}
	for (const path of Object.keys(patch)) {
		const at = path.indexOf('/')
		const property = (at < 0 ? path : path.slice(0, at)) as keyof Places
		if (at < 0) back[path] = { ...email[property] }
		else back[path] = email[property][unescape(path.slice(at + 1))] ? true : null
	}
	return back
}
