// The form for a new password.
import { useState } from 'preact/hooks'
import { useAction } from './hooks.ts'
import { strength } from './password.ts'
import { Button, Copy, Form, Password, Problem, say } from './ui.tsx'

interface Props {
	username: string // for the password manager, and no good as a password
	known: string[] // other strings that are no good as a password
	generate?: () => Promise<string>
	save: (current: string, password: string) => Promise<void>
	done: string // what is said then
}

// Meter shows how strong a password is; the text beside it says so too.
function Meter({ level }: { level: number }) {
	return <div class={`meter level${level}`} aria-hidden="true"><svg viewBox="0 0 3 1" preserveAspectRatio="none"><rect width={level} height="1" /></svg></div>
}

export function SetPassword({ username, known, generate, save, done }: Props) {
	const [current, setCurrent] = useState('')
	const [password, setPassword] = useState('')
	const [generated, setGenerated] = useState('')
	const [tried, setTried] = useState(false)
	const action = useAction()
	const making = useAction()
	const judged = strength(password, [username, ...known])
	const focus = (name: string) => document.querySelector<HTMLInputElement>(`input[name=${name}]`)?.focus()
	const send = async () => {
		setTried(true)
		if (!current || !judged.ok) {
			focus(current ? 'new-password' : 'current-password')
			return
		}
		if (await action.run(() => save(current, password))) {
			setCurrent('')
			setPassword('')
			setGenerated('')
			setTried(false)
			say(done)
		} else {
			focus('current-password')
		}
	}
	const make = () => void making.run(async () => {
		const p = await generate!()
		setPassword(p)
		setGenerated(p)
		say('A password was made and filled in.')
	})
	return <Form label="New password" onSubmit={() => void send()}>
		<input class="offscreen" name="username" type="text" value={username} autocomplete="username" readOnly tabIndex={-1} aria-hidden="true" />
		<Password label="Current password" name="current-password" autocomplete="current-password" value={current} onInput={setCurrent} error={tried && !current ? 'Enter the password that you have now.' : undefined} />
		<Password label="New password" name="new-password" autocomplete="new-password" value={password} onInput={setPassword} shown={generated !== '' && generated === password} error={tried && !judged.ok ? password ? judged.text : 'Enter a new password.' : undefined} />
		<div class="strength">
			<Meter level={judged.level} />
			<p class="soft" aria-live="polite">{judged.text}</p>
		</div>
		{generate && <div class="actions">
			<Button small busy={making.busy} onClick={make}>Make a password for me</Button>
			{password && password === generated && <Copy text={password} what="new password">Copy it</Copy>}
		</div>}
		<Problem text={action.error ?? making.error} />
		<div class="buttons"><Button type="submit" main busy={action.busy}>{action.busy ? 'Changing…' : 'Change password'}</Button></div>
	</Form>
}
