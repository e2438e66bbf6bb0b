// The account that is signed in, and its server.
import { signal } from '@preact/signals'
import { MailAPI, type SessionResult } from '../api/mail.ts'
import { guard, signing } from '../shared/session.ts'
import { JMAP, type Args, type Call } from './jmap.ts'

export const api = new MailAPI()

export const account = signal<SessionResult | null>(null)

export const jmap = new JMAP(() => api.csrfToken)

export const { begin, again, signIn, signOut } = signing(api, account, () => api.session(), (Token, Username, Password) => api.login({ Token, Username, Password }))

// methods is jmap.methods, which notices that the session has ended.
export function methods(...calls: Call[]): Promise<Args[]> {
	return guard(jmap.methods(calls))
}
