// The administrator that is signed in.
import { signal } from '@preact/signals'
import { AdminAPI, type AdminResult } from '../api/admin.ts'
import { enter, signedOut, state } from '../shared/session.ts'

export const api = new AdminAPI()

export const admin = signal<AdminResult | null>(null)

// begin finds out whether there is a session.
export async function begin(): Promise<void> {
	try {
		admin.value = await api.admin()
		state.value = 'in'
	} catch (err) {
		if (!signedOut(err)) throw err
		state.value = 'out'
	}
}

export async function signIn(_: string, password: string): Promise<void> {
	const { Token } = await api.loginPrep()
	await api.login({ Token, Password: password })
	admin.value = await api.admin()
	enter()
}

export async function signOut(): Promise<void> {
	try {
		await api.logout()
	} catch (err) {
		if (!signedOut(err)) throw err // otherwise the session has ended already
	}
	admin.value = null
	api.csrfToken = ''
	state.value = 'out'
}
