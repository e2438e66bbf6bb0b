// The account that is signed in.
import { signal } from '@preact/signals'
import { AccountAPI, type AccountResult } from '../api/account.ts'
import { enter, guard, signedOut, state } from '../shared/session.ts'

export const api = new AccountAPI()

export const account = signal<AccountResult | null>(null)

// refresh loads what is shown of the account anew.
export async function refresh(): Promise<void> {
	account.value = await guard(api.account())
}

// begin finds out whether there is a session.
export async function begin(): Promise<void> {
	try {
		account.value = await api.account()
		state.value = 'in'
	} catch (err) {
		if (!signedOut(err)) throw err
		state.value = 'out'
	}
}

export async function signIn(username: string, password: string): Promise<void> {
	const { Token } = await api.loginPrep()
	await api.login({ Token, Username: username, Password: password })
	account.value = await api.account()
	enter()
}

export async function signOut(): Promise<void> {
	try {
		await api.logout()
	} catch (err) {
		if (!signedOut(err)) throw err // otherwise the session has ended already
	}
	account.value = null
	api.csrfToken = ''
	state.value = 'out'
}
