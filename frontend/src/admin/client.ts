// The administrator that is signed in.
import { signal } from '@preact/signals'
import { AdminAPI, type AdminResult } from '../api/admin.ts'
import { signing } from '../shared/session.ts'

export const api = new AdminAPI()

export const admin = signal<AdminResult | null>(null)

export const { begin, again, signIn, signOut } = signing(api, admin, () => api.admin(), (Token, _, Password) => api.login({ Token, Password }))
