// A client of JMAP: RFC 8620 and 8621.
import { APIError } from '../api/call.ts'
import { EventParser } from './eventstream.ts'

export type Args = Record<string, unknown>

export type Call = [name: string, args: Args]

interface Capabilities {
	maxSizeUpload: number
	maxObjectsInGet: number
	maxObjectsInSet: number
	maxCallsInRequest: number
}

// RFC 8620 2.
interface Session {
	capabilities: Record<string, Partial<Capabilities>>
	primaryAccounts: Record<string, string>
	apiUrl: string
	downloadUrl: string
	uploadUrl: string
	eventSourceUrl: string
}

const core = 'urn:ietf:params:jmap:core'
const mail = 'urn:ietf:params:jmap:mail'
const submission = 'urn:ietf:params:jmap:submission'

// Milliseconds that an answer may take.
const patience = 60_000

const methodErrors: Record<string, string> = {
	accountReadOnly: 'The account cannot be changed',
	anchorNotFound: 'The place in the list is gone',
	cannotCalculateChanges: 'The changes are not known any more',
	forbidden: 'You are not allowed to do that',
	overQuota: 'There is no room left in the account',
	requestTooLarge: 'That is too much at once',
	serverFail: 'The server had a problem',
	serverPartialFail: 'The server had a problem',
	serverUnavailable: 'The server is not available now',
	tooManyChanges: 'There were too many changes',
	unsupportedFilter: 'The server cannot search for that',
}

// MethodError is the failure of one method of a request, RFC 8620 3.6.2.
export class MethodError extends Error {
	readonly type: string

	constructor(args: Args) {
		const type = String(args.type)
		super(typeof args.description === 'string' && args.description ? args.description : methodErrors[type] ?? `The server answered “${type}”`)
		this.name = 'MethodError'
		this.type = type
	}
}

// RFC 8620 5.3.
export interface SetError {
	type: string
	description?: string | null
	properties?: string[]
}

const setErrors: Record<string, string> = {
	blobNotFound: 'An attachment is no longer there; add it again',
	forbidden: 'You are not allowed to do that',
	forbiddenFrom: 'You are not allowed to send from this address',
	forbiddenToSend: 'You are not allowed to send this message',
	invalidEmail: 'The message is not valid',
	invalidRecipients: 'A recipient is not valid',
	mailboxHasChild: 'There are mailboxes in it',
	mailboxHasEmail: 'There are messages in it',
	noRecipients: 'There is no recipient',
	notFound: 'It is no longer there',
	overQuota: 'There is no room left in the account',
	tooLarge: 'The message is too large',
	tooManyRecipients: 'There are too many recipients',
}

// setError is an error of a set method, to be thrown.
export function setError(e: SetError): Error {
	const properties = e.properties?.length ? ` (${e.properties.join(', ')})` : ''
	return new Error(e.description || (setErrors[e.type] ?? `The server refused it with “${e.type}”`) + properties)
}

export interface SetResult {
	newState: string
	created: Record<string, { id: string; blobId?: string; size?: number; threadId?: string }> | null
	updated: Record<string, unknown> | null
	destroyed: string[] | null
	notCreated: Record<string, SetError> | null
	notUpdated: Record<string, SetError> | null
	notDestroyed: Record<string, SetError> | null
}

// refused throws the first error of a set method.
export function refused(r: SetResult): void {
	for (const errors of [r.notCreated, r.notUpdated, r.notDestroyed]) {
		const first = Object.values(errors ?? {})[0]
		if (first) throw setError(first)
	}
}

// expand fills in a URI template of level 1, RFC 6570 3.2.2.
export function expand(template: string, values: Record<string, string>): string {
	return template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''))
}

// failure is the error of an answer of HTTP that is not a success.
async function failure(r: Response): Promise<APIError> {
	const retry = Number(r.headers.get('Retry-After')) || 0
	try {
		const body = await r.json() as { Code?: string; Message?: string; type?: string; detail?: string; title?: string }
		return new APIError(body.Code ?? body.type ?? '', body.Message ?? body.detail ?? body.title ?? `The server answered with status ${r.status}`, r.status, retry)
	} catch {
		return new APIError('', `The server answered with status ${r.status}`, r.status, retry)
	}
}

export class JMAP {
	accountId = ''

	private session: Session | undefined
	private readonly token: () => string

	// token gives the CSRF token of the session.
	constructor(token: () => string) {
		this.token = token
	}

	// start gets the session resource, RFC 8620 2.
	async start(): Promise<void> {
		const r = await this.fetch('api/jmap/session', {})
		const session = await r.json() as Session
		const account = session.primaryAccounts[mail]
		if (!account) throw new Error('The account has no mail')
		this.session = session
		this.accountId = account
	}

	// limit is a limit of the server, or an ordinary one where it does not tell.
	limit(name: keyof Capabilities): number {
		const ordinary: Capabilities = { maxSizeUpload: 50e6, maxObjectsInGet: 500, maxObjectsInSet: 500, maxCallsInRequest: 16 }
		return this.session?.capabilities[core]?.[name] ?? ordinary[name]
	}

	// fetch makes a request of HTTP. It throws APIError, also where there is no answer.
	private async fetch(url: string, init: RequestInit, signal?: AbortSignal): Promise<Response> {
		let r: Response
		try {
			r = await fetch(url, {
				...init, credentials: 'same-origin', redirect: 'error', cache: 'no-store',
				headers: { ...init.headers as Record<string, string>, 'x-mox-csrf': this.token() },
				signal: signal ?? AbortSignal.timeout(patience),
			})
		} catch (err) {
			if (signal?.aborted) throw err
			throw new APIError('network', 'The server cannot be reached. Check the connection, and try again.', 0)
		}
		if (!r.ok) throw await failure(r)
		return r
	}

	// methods makes several calls in one request, and returns their results. It throws MethodError for the first that fails;
	// those before it were done.
	async methods(calls: Call[]): Promise<Args[]> {
		const results = await this.request(calls)
		return results.map(([name, args]) => {
			if (name === 'error') throw new MethodError(args)
			return args
		})
	}

	// request makes several calls in one request, and returns the answers by their names, of which errors are "error". Calls are
	// named by their index, for references to their results. Answers to a call that implies another are left out.
	async request(calls: Call[]): Promise<Call[]> {
		const r = await this.fetch(this.session!.apiUrl, {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify({ using: [core, mail, submission], methodCalls: calls.map(([name, args], i) => [name, { accountId: this.accountId, ...args }, String(i)]) }),
		})
		const { methodResponses } = await r.json() as { methodResponses: [string, Args, string][] }
		return calls.map(([name], i) => {
			const found = methodResponses.find(([answer, , id]) => id === String(i) && (answer === name || answer === 'error'))
			if (!found) throw new Error(`The server did not answer ${name}`)
			return [found[0], found[1]]
		})
	}

	// call makes one call.
	async call<Result>(name: string, args: Args): Promise<Result> {
		const [result] = await this.methods([[name, args]])
		return result as Result
	}

	// getAll calls a get method for ids, as many at a time as the server allows, and returns the list of all.
	async getAll<T>(name: string, ids: string[], args: Args): Promise<{ list: T[]; notFound: string[]; state: string }> {
		const all = { list: [] as T[], notFound: [] as string[], state: '' }
		for (const some of chunks(ids, this.limit('maxObjectsInGet'))) {
			const r = await this.call<{ list: T[]; notFound: string[]; state: string }>(name, { ids: some, ...args })
			all.list.push(...r.list)
			all.notFound.push(...r.notFound)
			all.state ||= r.state // of the first: what changes in between is a change since then
		}
		return all
	}

	// upload keeps bytes at the server for a while, RFC 8620 6.1.
	async upload(content: Blob, type: string, signal?: AbortSignal): Promise<{ blobId: string; type: string; size: number }> {
		const most = this.limit('maxSizeUpload')
		if (content.size > most) throw new Error(`It is larger than the ${Math.floor(most / 1e6)} MB that the server takes`)
		const url = expand(this.session!.uploadUrl, { accountId: this.accountId })
		const r = await this.fetch(url, { method: 'POST', headers: { 'Content-Type': type }, body: content }, signal ?? AbortSignal.timeout(30 * patience))
		return await r.json() as { blobId: string; type: string; size: number }
	}

	// download gets bytes, RFC 8620 6.2.
	async download(blobId: string, name: string, type: string): Promise<Blob> {
		const r = await this.fetch(expand(this.session!.downloadUrl, { accountId: this.accountId, blobId, name, type }), {}, AbortSignal.timeout(30 * patience))
		return await r.blob()
	}

	// events calls changed with the new states of types, for as long as the connection is there, RFC 8620 7.3. opened is called
	// once it is.
	async events(opened: () => void, changed: (states: Record<string, string>) => void, signal: AbortSignal): Promise<void> {
		const silence = new AbortController()
		const either = AbortSignal.any([signal, silence.signal])
		let timer = 0
		const alive = () => {
			clearTimeout(timer)
			timer = window.setTimeout(() => silence.abort(), 90_000) // three pings
		}
		try {
			alive()
			const r = await this.fetch(expand(this.session!.eventSourceUrl, { types: '*', closeafter: 'no', ping: '30' }), { headers: { Accept: 'text/event-stream' } }, either)
			opened()
			const parser = new EventParser()
			const reader = r.body!.pipeThrough(new TextDecoderStream()).getReader()
			for (;;) {
				alive()
				const { done, value } = await reader.read()
				if (done) return
				for (const event of parser.push(value)) {
					if (event.event !== 'state') continue
					const states = (JSON.parse(event.data) as { changed?: Record<string, Record<string, string>> }).changed?.[this.accountId]
					if (states) changed(states)
				}
			}
		} finally {
			clearTimeout(timer)
			silence.abort()
		}
	}
}

// chunks cuts a list into pieces of at most size.
export function chunks<T>(list: T[], size: number): T[][] {
	const result: T[][] = []
	for (let i = 0; i < list.length; i += size) result.push(list.slice(i, i + size))
	return result
}
