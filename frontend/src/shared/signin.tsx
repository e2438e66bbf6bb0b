// Signing in, with an address or as the administrator.
import { useEffect, useRef, useState } from 'preact/hooks'
import { explain, state } from './session.ts'
import { Button, Field, Password, Problem } from './ui.tsx'

interface Props {
	title: string
	lead: string
	username: boolean // is asked for
	known?: string // username of the session that has ended
	submit: (username: string, password: string) => Promise<void>
	note?: string
}

export function SignIn({ title, lead, username, known, submit, note }: Props) {
	const ended = state.value === 'ended'
	const [user, setUser] = useState(known ?? '')
	const [password, setPassword] = useState('')
	const [error, setError] = useState('')
	const [busy, setBusy] = useState(false)
	const form = useRef<HTMLDivElement>(null)
	const focus = (name: string) => form.current?.querySelector<HTMLInputElement>(`input[name=${name}]`)?.focus()
	useEffect(() => {
		document.title = title
		focus(username && !user ? 'username' : 'password')
	}, [])
	const send = async () => {
		if (busy) return
		// Some password managers fill in without telling.
		const field = (name: string) => form.current?.querySelector<HTMLInputElement>(`input[name=${name}]`)?.value ?? ''
		const [u, p] = [field('username').trim(), field('password')]
		if (username && !u) {
			setError('Enter your email address.')
			focus('username')
			return
		}
		if (!p) {
			setError('Enter the password.')
			focus('password')
			return
		}
		setBusy(true)
		setError('')
		try {
			await submit(u, p)
		} catch (err) {
			setError(explain(err))
			setBusy(false)
			form.current?.querySelector<HTMLInputElement>('input[name=password]')?.select()
			focus('password')
		}
	}
	return <main class="plain" ref={form}>
		<h1 tabIndex={-1}>{title}</h1>
		<p class="lead">{ended ? 'You have been signed out. Sign in again to go on where you were.' : lead}</p>
		<form noValidate method="post" action="#" onSubmit={e => {
			e.preventDefault()
			void send()
		}}>
			{username && <Field label="Email address" name="username" type="email" inputmode="email" autocomplete="username" required value={user} onInput={setUser} />}
			<Password label="Password" name="password" autocomplete="current-password" value={password} onInput={setPassword} />
			<Problem text={error} />
			<div class="buttons"><Button type="submit" main busy={busy}>{busy ? 'Signing in…' : 'Sign in'}</Button></div>
		</form>
		{note && <p class="soft">{note}</p>}
	</main>
}
