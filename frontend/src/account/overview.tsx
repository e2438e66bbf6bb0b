// Who the account is of, its addresses, and how full it is.
import { useState } from 'preact/hooks'
import type { AccountResult } from '../api/account.ts'
import { bytes } from '../shared/format.ts'
import { useAction } from '../shared/hooks.ts'
import { link } from '../shared/router.ts'
import { Button, Copy, Field, Form, Page, Problem, Section, When, say } from '../shared/ui.tsx'
import { account, api, refresh } from './client.ts'

function Name({ name }: { name: string }) {
	const [editing, setEditing] = useState(false)
	const [value, setValue] = useState(name)
	const action = useAction()
	if (!editing) {
		return <div class="row"><p>{name || <span class="soft">No name yet. It stands beside your address in the mail that you send.</span>}</p>
			<Button small label="Change name" onClick={() => {
				setValue(name)
				action.clear()
				setEditing(true)
			}}>{name ? 'Change' : 'Add a name'}</Button></div>
	}
	const save = async () => {
		if (!await action.run(async () => {
			await api.accountSaveFullName({ FullName: value.trim() })
			await refresh()
		})) return
		setEditing(false)
		say('Name saved.')
		document.querySelector('h1')?.focus()
	}
	return <Form label="Name" onSubmit={() => void save()}>
		<Field label="Name" hint="As others see it beside your address." autocomplete="name" name="name" value={value} maxLength={200} onInput={setValue} />
		<Problem text={action.error} />
		<div class="buttons"><Button type="submit" main busy={action.busy}>Save</Button><Button onClick={() => setEditing(false)}>Cancel</Button></div>
	</Form>
}

// addressText says what an address without local part means.
function addressText(address: string): string {
	return address.startsWith('@') ? `Everything at ${address.slice(1)} that nobody else has` : address
}

function Storage({ a }: { a: AccountResult }) {
	if (a.QuotaLimit <= 0) return <p>{bytes(a.QuotaUsed)} in use. There is no limit.</p>
	const part = Math.min(100, a.QuotaUsed / a.QuotaLimit * 100)
	return <>
		<p>{bytes(a.QuotaUsed)} of {bytes(a.QuotaLimit)} in use.</p>
		<div class={part >= 90 ? 'meter level1' : 'meter'} aria-hidden="true"><svg viewBox="0 0 100 1" preserveAspectRatio="none"><rect width={part.toFixed(1)} height="1" /></svg></div>
		{part >= 90 && <p class="bad">Nearly full. Delete what you no longer need, also from the trash: new mail will be refused when there is no room.</p>}
	</>
}

export function Overview() {
	const a = account.value!
	return <Page title={a.FullName || a.LoginAddress}>
		<Section title="Name"><Name name={a.FullName} /></Section>
		<Section title="Addresses"><ul class="cards">{a.Addresses.map(address => <li key={address} class="row">
			<div>{addressText(address)}</div>
			{!address.startsWith('@') && <Copy text={address} what={address} />}
		</li>)}</ul></Section>
		<Section title="Storage"><Storage a={a} /></Section>
		<Section title="Password"><p>{a.PasswordChanged ? <>Changed <When time={a.PasswordChanged} />. </> : null}<a href={link('password')}>Change the password</a></p></Section>
	</Page>
}
