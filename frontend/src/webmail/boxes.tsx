// The mailboxes, and labels, at the side.
import { useState } from 'preact/hooks'
import { move } from './actions.ts'
import { asking, compose } from './commands.ts'
import { Icon, roleIcon } from './icons.tsx'
import { view } from './list.ts'
import { knownLabels, mailboxes, nodes } from './mail.ts'
import { hue, shownCount, title, type Node } from './mailboxes.ts'
import { boxLink, searchLink } from './place.ts'

function dropped(e: DragEvent): string[] {
	try {
		const rows: unknown = JSON.parse(e.dataTransfer?.getData('application/x-mox-rows') ?? '')
		return Array.isArray(rows) ? rows.filter(r => typeof r === 'string') : []
	} catch {
		return []
	}
}

function Box({ node: { box, depth }, done }: { node: Node; done: () => void }) {
	const [over, setOver] = useState(false)
	const n = shownCount(box)
	const name = title(box)
	return <li><a href={boxLink(box.id)} class={[`depth${Math.min(depth, 5)}`, over && 'over', n > 0 && box.role !== 'drafts' && 'has'].filter(Boolean).join(' ')} aria-current={view.value.mailboxId === box.id ? 'page' : undefined} onClick={done}
		onDragOver={e => {
			if (!e.dataTransfer?.types.includes('application/x-mox-rows')) return
			e.preventDefault()
			e.dataTransfer.dropEffect = 'move'
			setOver(true)
		}}
		onDragLeave={() => setOver(false)}
		onDrop={e => {
			e.preventDefault()
			setOver(false)
			const rows = dropped(e)
			if (rows.length > 0) void move(box.id, rows)
		}}>
		<Icon name={roleIcon(box.role)} /><span class="name">{name}</span>{n > 0 && <span class="count">{n}<span class="offscreen">{box.role === 'drafts' ? ' drafts' : ' unread'}</span></span>}
	</a></li>
}

interface BoxesProps {
	open: boolean
	done: () => void
	who: string
	signOut: () => void
}

export function Boxes({ open, done, who, signOut }: BoxesProps) {
	void mailboxes.value
	return <div class={open ? 'boxes open' : 'boxes'} id="boxes">
		<button type="button" class="main compose" onClick={() => {
			done()
			compose()
		}}><Icon name="pencil" />New message</button>
		<nav aria-label="Mailboxes"><ul>{nodes.value.map(n => <Box key={n.box.id} node={n} done={done} />)}</ul>
			<p class="newbox"><button type="button" class="plainly" onClick={() => { asking.value = { kind: 'newMailbox', parentId: null } }}><Icon name="plus" />New mailbox</button></p>
			{knownLabels.value.length > 0 && <><h2>Labels</h2><ul>{knownLabels.value.map(l => <li key={l}><a href={searchLink(`label:${l}`)} aria-current={view.value.search === `label:${l}` ? 'page' : undefined} onClick={done}><span class={`dot hue${hue(l)}`} /><span class="name">{l}</span></a></li>)}</ul></>}
		</nav>
		<div class="who"><p>{who}</p><div class="actions"><button type="button" class="plainly" onClick={() => { asking.value = { kind: 'help' } }}>Keys and help</button><button type="button" class="plainly" onClick={signOut}>Sign out</button></div></div>
	</div>
}
