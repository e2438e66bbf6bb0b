// A new password.
import { SetPassword } from '../shared/setpassword.tsx'
import { Page } from '../shared/ui.tsx'
import { account, api, refresh } from './client.ts'

export function PasswordPage() {
	const a = account.value!
	const save = async (current: string, password: string) => {
		await api.setPassword({ CurrentPassword: current, Password: password })
		await refresh()
	}
	return <Page title="Password" lead="One password for mail programs and for these pages. After a change, all other browsers are signed out, and mail programs ask for the new password.">
		<SetPassword username={a.LoginAddress} known={[a.FullName, a.Account, ...a.Addresses]} generate={async () => (await api.generatePassword()).Password} save={save} done="Password changed. Other browsers have been signed out." />
	</Page>
}
