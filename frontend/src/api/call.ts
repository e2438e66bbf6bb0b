// What the clients of both APIs have in common: account.ts and admin.ts are generated, this is not.

/** A call that failed. */
export class APIError extends Error {
	/**
	 * What is wrong, for programs: user:error, user:loginFailed, user:noAuth (no session), user:badAuth (the session has
	 * ended), user:badCSRF, user:tooMany (failed logins), user:changed, server:error; or network, where there was no answer.
	 */
	readonly code: string
	/** Of HTTP; 0 without answer. */
	readonly status: number
	/** Seconds after which to try again; 0: not told. */
	readonly retryAfter: number

	constructor(code: string, message: string, status: number, retryAfter = 0) {
		super(message)
		this.name = 'APIError'
		this.code = code
		this.status = status
		this.retryAfter = retryAfter
	}
}

/** What APIs have in common: calls of functions by their names. */
export class Client {
	/** Token of the session against calls of other sites; set by results that have a CSRFToken. */
	csrfToken = ''

	private readonly base: string

	/** @param base URL of the API, relative to the page, with a slash at its end */
	constructor(base = 'api/') {
		this.base = base
	}

	/** Calls a function. Throws APIError. */
	protected async call<Result>(name: string, req: object): Promise<Result> {
		let status = 0
		let body: unknown
		let retryAfter = 0
		try {
			const r = await fetch(this.base + name, {
				method: 'POST',
				headers: { 'Content-Type': 'application/json', ...(this.csrfToken ? { 'x-mox-csrf': this.csrfToken } : {}) },
				body: JSON.stringify(req),
				credentials: 'same-origin',
				cache: 'no-store',
				redirect: 'error',
			})
			status = r.status
			retryAfter = Number(r.headers.get('Retry-After')) || 0
			body = await r.json()
		} catch (e) {
			if (status === 0) {
				throw new APIError('network', 'The server cannot be reached. Check the connection, and try again.', 0)
			}
			throw new APIError('server:error', `The server gave an answer that is not understood (status ${status}).`, status, retryAfter)
		}
		if (status !== 200) {
			const { Code, Message } = body as { Code: string; Message: string }
			throw new APIError(Code, Message, status, retryAfter)
		}
		const token = (body as { CSRFToken?: string }).CSRFToken
		if (token !== undefined) {
			this.csrfToken = token
		}
		return body as Result
	}
}
