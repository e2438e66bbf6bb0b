// The admin pages.
import { About } from '../shared/about.tsx'
import { App, Shell } from '../shared/shell.tsx'
import { SignIn } from '../shared/signin.tsx'
import { start } from '../shared/start.tsx'
import { Accounts } from './accounts.tsx'
import { admin, api, begin, signIn, signOut } from './client.ts'
import { Domains } from './domains.tsx'
import { Logs } from './logs.tsx'
import { PasswordPage } from './password.tsx'
import { SignIns } from './signins.tsx'
import { Status } from './status.tsx'
import { WebServer } from './webserver.tsx'

const entries = [
	{ name: 'status', title: 'Status', page: Status },
	{ name: 'domains', title: 'Domains', page: Domains },
	{ name: 'accounts', title: 'Accounts', page: Accounts },
	{ name: 'webserver', title: 'Web server', page: WebServer },
	{ name: 'logs', title: 'Log levels', page: Logs },
	{ name: 'signins', title: 'Sign-ins', page: SignIns },
	{ name: 'password', title: 'Password', page: PasswordPage },
	{ name: 'about', title: 'About', page: () => <About version={() => api.version()} /> },
]

function Admin() {
	const a = admin.value
	return <App signIn={<SignIn title="Sign in as administrator" lead="With the administrator's password of this mail server." username={false} submit={signIn} note="Is the password lost? On the server, “mox setadminpassword” sets a new one." />}>
		{a && <Shell product="Mail server" who={a.Hostname} entries={entries} signOut={signOut} />}
	</App>
}

start(begin, <Admin />)
