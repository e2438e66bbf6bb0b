// The session of the browser, and what happens to calls when it ends.
import { signal, type Signal } from '@preact/signals'
import { APIError } from '../api/call.ts'
import { span } from './format.ts'

// starting: not known yet. out: nobody is signed in. ended: somebody was; what is on the page is kept until they sign in again.
export type State = 'starting' | 'out' | 'in' | 'ended'

export const state = signal<State>('starting')

// epoch counts the times of signing in: what could not be loaded for want of a session is loaded again.
export const epoch = signal(0)

// signedOut tells that an error is for want of a session.
export function signedOut(err: unknown): boolean {
	return err instanceof APIError && (err.status === 401 || err.code === 'user:badCSRF') && err.code !== 'user:loginFailed'
}

// codeOf is the code of an error of the API, or an empty string.
export function codeOf(err: unknown): string {
	return err instanceof APIError ? err.code : ''
}

// explain is an error as one or two sentences.
export function explain(err: unknown): string {
	if (!(err instanceof Error)) return String(err)
	const text = sentence(err.message)
	if (!(err instanceof APIError)) return text
	if (err.code === 'user:tooMany' && err.retryAfter > 0) return `Too many failed logins from your network. Try again in ${span(err.retryAfter)}.`
	const full = err.status === 503 || err.status === 507 // too busy, or no room: the text says it
	if (err.status >= 500 && !full) return `The server had a problem: ${text} Try again; if it stays, its log has more.`
	return text
}

// sentence begins with a capital and ends with a stop.
export function sentence(text: string): string {
	const t = text.trim()
	if (t === '') return ''
	return t[0]!.toUpperCase() + t.slice(1) + (/[.!?:]$/.test(t) ? '' : '.')
}

// guard passes a call on, and notices that the session has ended.
export async function guard<T>(call: Promise<T>): Promise<T> {
	try {
		return await call
	} catch (err) {
		if (signedOut(err) && state.value === 'in') state.value = 'ended'
		throw err
	}
}

// resume goes on with the session that another tab may have begun: look gets its CSRF token, which differs from that of
// a session that has ended. It tells whether there is one.
export async function resume(look: () => Promise<string>, before: string): Promise<boolean> {
	try {
		if (await look() === before) return false
	} catch {
		return false // still no session
	}
	enter()
	return true
}

// enter is called after signing in.
export function enter(): void {
	state.value = 'in'
	epoch.value++
}

// API is what those of all pages have.
interface API {
	csrfToken: string
	loginPrep(): Promise<{ Token: string }>
	logout(): Promise<unknown>
}

// signing returns the ways into a session and out of it. who is who is signed in, as look finds out.
export function signing<Who extends { CSRFToken: string }>(
	api: API,
	who: Signal<Who | null>,
	look: () => Promise<Who>,
	login: (token: string, username: string, password: string) => Promise<unknown>,
) {
	return {
		// begin finds out whether there is a session.
		async begin(): Promise<void> {
			try {
				who.value = await look()
				state.value = 'in'
			} catch (err) {
				if (!signedOut(err)) throw err
				state.value = 'out'
			}
		},

		// again goes on with a session that was begun in another tab.
		again(): Promise<boolean> {
			return resume(async () => {
				who.value = await look()
				return who.value.CSRFToken
			}, api.csrfToken)
		},

		async signIn(username: string, password: string): Promise<void> {
			const { Token } = await api.loginPrep()
			await login(Token, username, password)
			who.value = await look()
			enter()
		},

		async signOut(): Promise<void> {
			try {
				await api.logout()
			} catch (err) {
				if (!signedOut(err)) throw err // otherwise the session has ended already
			}
			who.value = null
			api.csrfToken = ''
			state.value = 'out'
		},
	}
}
