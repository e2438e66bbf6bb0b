// What programs may log in with, other than the password.
import { useState } from 'preact/hooks'
import type { TLSPublicKey, Token } from '../api/account.ts'
import { useAction, useLoad } from '../shared/hooks.ts'
import { Ask, Button, Choice, Command, Field, Form, Page, Problem, Ready, Section, Tick, When, say } from '../shared/ui.tsx'
import { account, api } from './client.ts'

type Scope = Token['Scopes'][number]

const scopes: [Scope, string, string][] = [
	['send', 'Send messages', 'In your name.'],
	['read', 'Read messages', 'All of them.'],
	['write', 'Change messages', 'Mark, move and delete them.'],
	['suppress', 'Change the suppression list', 'Addresses to which nothing is sent.'],
]

const expiries: [string, string][] = [['30', '30 days'], ['90', '90 days'], ['365', 'A year'], ['0', 'For ever']]

// toHeading is where the focus goes when what had it is gone.
function toHeading(): void {
	document.querySelector('h1')?.focus({ preventScroll: true })
}

// ownAddresses are those that a program can log in as, that of the session first.
function ownAddresses(): [string, string][] {
	const a = account.value!
	return [...new Set([a.LoginAddress, ...a.Addresses.filter(x => !x.startsWith('@'))])].map(x => [x, x])
}

function NewToken({ onDone, onCancel }: { onDone: (secret: string) => Promise<void>; onCancel: () => void }) {
	const addresses = ownAddresses()
	const [name, setName] = useState('')
	const [chosen, setChosen] = useState<Scope[]>(['send'])
	const [days, setDays] = useState('365')
	const [login, setLogin] = useState(addresses[0]![0])
	const [tried, setTried] = useState(false)
	const action = useAction()
	const send = () => {
		setTried(true)
		if (!name.trim() || chosen.length === 0) return
		void action.run(async () => {
			const { Secret } = await api.tokenAdd({ Name: name.trim(), Scopes: chosen, LoginAddress: login, ExpireDays: Number(days) })
			await onDone(Secret)
		})
	}
	return <div class="panel"><Form label="New token" onSubmit={send}>
		<Field label="Name" name="token-name" hint="To know it by, such as the program that uses it." value={name} maxLength={100} onInput={setName} error={tried && !name.trim() ? 'Give it a name.' : undefined} />
		<fieldset>
			<legend>It may</legend>
			{scopes.map(([scope, title, hint]) => <Tick key={scope} label={title} hint={hint} checked={chosen.includes(scope)} onChange={on => setChosen(on ? [...chosen, scope] : chosen.filter(s => s !== scope))} />)}
			{tried && chosen.length === 0 && <p class="fielderror" role="alert">Choose at least one.</p>}
		</fieldset>
		{addresses.length > 1 && <Choice label="As the address" value={login} options={addresses} onChange={setLogin} />}
		<Choice label="It works for" value={days} options={expiries} onChange={setDays} />
		<Problem text={action.error} />
		<div class="buttons"><Button type="submit" main busy={action.busy}>Make the token</Button><Button onClick={onCancel}>Cancel</Button></div>
	</Form></div>
}

function TokenRow({ token: t, onRemove }: { token: Token; onRemove: () => void }) {
	const may = scopes.filter(([scope]) => t.Scopes.includes(scope)).map(([, title]) => title.toLowerCase()).join(', ')
	const over = t.Expires !== null && Date.parse(t.Expires) < Date.now()
	return <li class="row long"><div>
		<h3>{t.Name || `Token ${t.ID}`}{over && <> <span class="tag warn">Expired</span></>}</h3>
		<p class="soft">May {may || 'do nothing'}, as {t.LoginAddress}. Last used: <When time={t.LastUsed} />. {t.Expires ? over ? <>Expired <When time={t.Expires} />.</> : <>Works until <When time={t.Expires} />.</> : 'Works for ever.'}</p>
	</div><Button small label={`Remove token ${t.Name}`} onClick={onRemove}>Remove</Button></li>
}

function Tokens() {
	const tokens = useLoad(() => api.tokens())
	const [adding, setAdding] = useState(false)
	const [secret, setSecret] = useState('')
	const [removing, setRemoving] = useState<Token>()
	const action = useAction()
	const done = async (s: string) => {
		setSecret(s)
		setAdding(false)
		say('The token was made.')
		await tokens.reload()
	}
	const remove = (t: Token) => void action.run(async () => {
		await api.tokenRemove({ ID: t.ID })
		await tokens.reload()
		setRemoving(undefined)
		say('The token was removed.')
	})
	return <Section title="Tokens for the HTTP API" actions={!adding && <Button small onClick={() => {
		setSecret('')
		setAdding(true)
	}}>New token</Button>}>
		<p class="soft">For programs that send or read mail through the HTTP API without knowing your password.</p>
		{secret && <div class="note">
			<p><strong>This is the token.</strong> Put it into the program now: it cannot be shown again.</p>
			<Command text={secret} what="token" />
			<Button small onClick={() => {
				setSecret('')
				toHeading()
			}}>I have it</Button>
		</div>}
		{adding && <NewToken onDone={done} onCancel={() => setAdding(false)} />}
		<Ready from={tokens}>{d => d.Tokens.length === 0
			? <p class="empty">There are none.</p>
			: <ul class="cards">{d.Tokens.map(t => <TokenRow key={t.ID} token={t} onRemove={() => setRemoving(t)} />)}</ul>}</Ready>
		{removing && <Ask title="Remove this token?" action="Remove" danger busy={action.busy} error={action.error} onYes={() => remove(removing)} onNo={() => {
			action.clear()
			setRemoving(undefined)
		}}><p>A program that uses “{removing.Name}” can no longer log in.</p></Ask>}
	</Section>
}

// KeyForm is for a new key, or for the name and setting of one that there is.
function KeyForm({ of, onDone, onCancel }: { of?: TLSPublicKey; onDone: () => Promise<void>; onCancel: () => void }) {
	const addresses = ownAddresses()
	const [name, setName] = useState(of?.Name ?? '')
	const [pem, setPEM] = useState('')
	const [login, setLogin] = useState(addresses[0]![0])
	const [preauth, setPreauth] = useState(!of?.NoIMAPPreauth)
	const [tried, setTried] = useState(false)
	const action = useAction()
	const send = () => {
		setTried(true)
		if (!of && !pem.trim()) return
		void action.run(async () => {
			if (of) await api.tlsPublicKeyUpdate({ Fingerprint: of.Fingerprint, Name: name.trim(), NoIMAPPreauth: !preauth })
			else await api.tlsPublicKeyAdd({ PEM: pem, Name: name.trim(), LoginAddress: login, NoIMAPPreauth: !preauth })
			await onDone()
		})
	}
	return <div class="panel"><Form label={of ? 'Change the key' : 'New key'} onSubmit={send}>
		<Field label="Name" name="key-name" hint="To know it by, such as the device that has it." value={name} maxLength={100} onInput={setName} />
		{!of && <Field label="Certificate" name="key-pem" hint="The certificate in PEM, from BEGIN CERTIFICATE to END CERTIFICATE. Never the private key." code rows={6} value={pem} onInput={setPEM} error={tried && !pem.trim() ? 'Paste the certificate here.' : undefined} />}
		{!of && addresses.length > 1 && <Choice label="It logs in as" value={login} options={addresses} onChange={setLogin} />}
		<Tick label="IMAP sessions begin logged in" hint="Switch it off for mail programs that do not cope with that." checked={preauth} onChange={setPreauth} />
		<Problem text={action.error} />
		<div class="buttons"><Button type="submit" main busy={action.busy}>{of ? 'Save' : 'Add the key'}</Button><Button onClick={onCancel}>Cancel</Button></div>
	</Form></div>
}

function Keys() {
	const keys = useLoad(() => api.tlsPublicKeys())
	const [form, setForm] = useState('') // fingerprint of the key that is changed, or "new"
	const [removing, setRemoving] = useState<TLSPublicKey>()
	const action = useAction()
	const done = async () => {
		setForm('')
		await keys.reload()
		say('Saved.')
		toHeading()
	}
	const remove = (k: TLSPublicKey) => void action.run(async () => {
		await api.tlsPublicKeyRemove({ Fingerprint: k.Fingerprint })
		await keys.reload()
		setRemoving(undefined)
		say('The key was removed.')
	})
	return <Section title="TLS keys" actions={form !== 'new' && <Button small onClick={() => setForm('new')}>Add a key</Button>}>
		<p class="soft">A mail program with a client certificate logs in by its key, without a password.</p>
		{form === 'new' && <KeyForm onDone={done} onCancel={() => setForm('')} />}
		<Ready from={keys}>{d => d.TLSPublicKeys.length === 0
			? <p class="empty">There are none.</p>
			: <ul class="cards">{d.TLSPublicKeys.map(k => <li key={k.Fingerprint}>
				{form === k.Fingerprint ? <KeyForm of={k} onDone={done} onCancel={() => setForm('')} /> : <>
					<h3>{k.Name || 'Key without name'}</h3>
					<p class="soft">{k.Type}, logs in as {k.LoginAddress}, added <When time={k.Created} />.{k.NoIMAPPreauth && ' IMAP sessions begin without being logged in.'}</p>
					<p class="soft">Fingerprint <code>{k.Fingerprint}</code></p>
					<div class="actions"><Button small label={`Change key ${k.Name}`} onClick={() => setForm(k.Fingerprint)}>Change</Button><Button small label={`Remove key ${k.Name}`} onClick={() => setRemoving(k)}>Remove</Button></div>
				</>}
			</li>)}</ul>}</Ready>
		{removing && <Ask title="Remove this key?" action="Remove" danger busy={action.busy} error={action.error} onYes={() => remove(removing)} onNo={() => {
			action.clear()
			setRemoving(undefined)
		}}><p>A program with “{removing.Name || removing.Fingerprint}” can no longer log in.</p></Ask>}
	</Section>
}

export function Access() {
	return <Page title="App access" lead="Other ways for programs to log in than your password. Each can be removed without changing the others.">
		<Tokens />
		<Keys />
	</Page>
}
