// Accounts, to look at.
import type { Account } from '../api/admin.ts'
import { bytes, count } from '../shared/format.ts'
import { useLoad } from '../shared/hooks.ts'
import { Command, Page, Ready, Table } from '../shared/ui.tsx'
import { api } from './client.ts'

const states: Record<Account['State'], string> = {
	active: '',
	invited: 'Invited',
	nopassword: 'No password',
	disabled: 'Disabled',
}

function Name({ a }: { a: Account }) {
	return <>
		<strong>{a.Name}</strong>{a.State !== 'active' && <> <span class={a.State === 'invited' ? 'tag plain' : 'tag warn'}>{states[a.State]}</span></>}
		{a.FullName && <span class="sub">{a.FullName}</span>}
		{a.LoginDisabled && <span class="sub">Logins are refused: {a.LoginDisabled}</span>}
	</>
}

export function Accounts() {
	const accounts = useLoad(() => api.accounts())
	return <Page title="Accounts">
		<Ready from={accounts}>{d => <>
			{d.Accounts.length === 0
				? <p class="empty">There are none yet.</p>
				: <Table caption="Accounts" rows={d.Accounts} rowKey={a => a.Name} columns={[
					{ head: 'Account', cell: a => <Name a={a} /> },
					{ head: 'Addresses', cell: a => <>{a.Addresses.map(x => <div key={x}>{x.startsWith('@') ? `all of ${x.slice(1)}` : x}</div>)}</> },
					{ head: 'Messages', cell: a => <>{bytes(a.QuotaUsed)}<span class="sub">{a.QuotaLimit > 0 ? `of ${bytes(a.QuotaLimit)}` : 'no limit'}</span></> },
					{ head: 'On disk', cell: a => bytes(a.DiskUsage) },
				]} />}
			<p class="soft">{count(d.Accounts.length, 'account')}. A new one, with a link by which its user chooses a password, on the server:</p>
			<Command text="mox user invite name@example.org" />
		</>}</Ready>
	</Page>
}
