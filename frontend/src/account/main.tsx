// The account pages.
import { About } from '../shared/about.tsx'
import { App, Shell } from '../shared/shell.tsx'
import { SignIn } from '../shared/signin.tsx'
import { start } from '../shared/start.tsx'
import { Access } from './access.tsx'
import { account, again, api, begin, signIn, signOut } from './client.ts'
import { Devices } from './devices.tsx'
import { Overview } from './overview.tsx'
import { PasswordPage } from './password.tsx'
import { SessionsPage } from './sessions.tsx'
import { Transfer } from './transfer.tsx'

const entries = [
	{ name: 'overview', title: 'Overview', page: Overview },
	{ name: 'devices', title: 'Set up a device', page: Devices },
	{ name: 'transfer', title: 'Import and export', page: Transfer },
	{ name: 'password', title: 'Password', page: PasswordPage },
	{ name: 'sessions', title: 'Sessions and sign-ins', page: SessionsPage },
	{ name: 'access', title: 'App access', page: Access },
	{ name: 'about', title: 'About', page: () => <About version={() => api.version()} /> },
]

function Account() {
	const a = account.value
	return <App signIn={<SignIn title="Sign in to your account" lead="With your email address and its password." username known={a?.LoginAddress ?? ''} submit={signIn} resume={again} />}>
		{/* What was begun for one account is not for another. */}
		{a && <Shell key={a.Account} product="Mail account" who={a.LoginAddress} entries={entries} signOut={signOut} />}
	</App>
}

start(begin, <Account />)
