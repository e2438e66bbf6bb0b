// A new password for administration.
import { SetPassword } from '../shared/setpassword.tsx'
import { Page } from '../shared/ui.tsx'
import { admin, api } from './client.ts'

export function PasswordPage() {
	const save = async (current: string, password: string) => {
		await api.adminSetPassword({ CurrentPassword: current, Password: password })
	}
	return <Page title="Password" lead="The password for these pages. After a change, all other browsers are signed out.">
		<SetPassword username="admin" known={[admin.value!.Hostname]} save={save} done="Password changed. Other browsers have been signed out." />
	</Page>
}
