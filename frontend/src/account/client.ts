// The account that is signed in.
import { signal } from '@preact/signals'
import { AccountAPI, type AccountResult } from '../api/account.ts'
import { guard, signing } from '../shared/session.ts'

export const api = new AccountAPI()

export const account = signal<AccountResult | null>(null)

// refresh loads what is shown of the account anew.
export async function refresh(): Promise<void> {
	account.value = await guard(api.account())
}

export const { begin, again, signIn, signOut } = signing(api, account, () => api.account(), (Token, Username, Password) => api.login({ Token, Username, Password }))
