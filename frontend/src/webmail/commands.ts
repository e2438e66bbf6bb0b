// What can be done, by keys, by the palette and by buttons.
import { signal } from '@preact/signals'
import { count } from '../shared/format.ts'
import { say } from '../shared/ui.tsx'
import { archive, currentRows, emailsForGood, fail, hasCurrent, inTrash, junk, markRead, mute, notJunk, star, trash, undo, undoable } from './actions.ts'
import { begin, newKey } from './composing.ts'
import { empty } from './draft.ts'
import { cursor, rows, select, selected, selectAll, view } from './list.ts'
import { title } from './mailboxes.ts'
import { head, identities, mailbox, role } from './mail.ts'
import { boxLink, go, listLink, openRow, openThread } from './place.ts'

// asking is the dialog that is open.
export type Asking =
	| { kind: 'help' } | { kind: 'palette' } | { kind: 'move' } | { kind: 'labels' }
	| { kind: 'destroy'; ids: string[] } | { kind: 'empty'; mailboxId: string }
	| { kind: 'newMailbox'; parentId: string | null } | { kind: 'renameMailbox'; mailboxId: string } | { kind: 'deleteMailbox'; mailboxId: string }
	| { kind: 'source'; emailId: string } | { kind: 'discard' } | { kind: 'doubt'; text: string }

export const asking = signal<Asking | null>(null)

// wish is what the open conversation is asked to do with its newest message.
export const wish = signal<{ what: 'reply' | 'replyAll' | 'forward'; n: number }>({ what: 'reply', n: 0 })

export interface Command {
	name: string
	group: 'Go' | 'Conversations' | 'Writing' | 'Other'
	keys: string[] // each a key, or several with spaces
	run: () => void
	able?: () => boolean // now
}

// compose begins a new message.
export function compose(to = ''): void {
	void begin({ ...empty(newKey(), identities.value[0]), to })
}

// openCursor opens the conversation that has the focus.
export function openCursor(): void {
	const h = head(cursor.value)
	if (h) go(listLink(h.threadId))
}

// step goes to the next row, or the one before; a conversation that is open is followed by that one.
export function step(by: 1 | -1): void {
	const from = openThread.value ? openRow() || cursor.value : cursor.value
	const at = rows.value.indexOf(from)
	const to = at < 0 ? 0 : Math.max(0, Math.min(rows.value.total - 1, at + by))
	const id = rows.value.at(to)
	if (!id) return
	cursor.value = id
	const h = head(id)
	if (openThread.value && h) go(listLink(h.threadId), true)
	else moved.value++
}

// moved counts moves of the focus by keys, which the list follows.
export const moved = signal(0)

// remove deletes: into the trash, or for good after asking if it is there already.
export function remove(): void {
	if (!inTrash()) {
		void trash()
		return
	}
	emailsForGood().then(ids => {
		if (ids.length > 0) asking.value = { kind: 'destroy', ids }
	}, err => fail('Not deleted', err))
}

export function inJunk(): boolean {
	return view.value.mailboxId !== undefined && view.value.mailboxId === role('junk')?.id
}

function wishes(what: 'reply' | 'replyAll' | 'forward'): void {
	wish.value = { what, n: wish.value.n + 1 }
}

function goTo(name: string): void {
	const box = role(name)
	if (box) go(boxLink(box.id))
}

// back goes from a conversation to its list.
export function back(): void {
	if (openThread.value) go(listLink())
}

export function focusSearch(): void {
	const input = document.querySelector<HTMLInputElement>('input[name=search]')
	input?.focus()
	input?.select()
}

const conversation = () => openThread.value !== ''

// toggle selects the current row, or not.
function toggle(): void {
	const id = openThread.value ? openRow() : cursor.value
	if (id) select(id, !selected.value.has(id), false)
}

// everything selects all conversations of the list, and tells how many these are.
export function everything(): void {
	selectAll().then(n => say(n < rows.value.total ? `The newest ${count(n, 'conversation')} are selected: more cannot be at once.` : `${count(n, 'conversation')} selected.`), err => fail('Not selected', err))
}

export const commands: Command[] = [
	{ group: 'Go', name: 'Next conversation', keys: ['j', 'ArrowDown'], run: () => step(1) },
	{ group: 'Go', name: 'Conversation before', keys: ['k', 'ArrowUp'], run: () => step(-1) },
	{ group: 'Go', name: 'Open the conversation', keys: ['o', 'Enter'], run: openCursor, able: () => cursor.value !== '' && !conversation() },
	{ group: 'Go', name: 'Back to the list', keys: ['u', 'Escape'], run: back, able: conversation },
	{ group: 'Go', name: 'Search', keys: ['/'], run: focusSearch },
	{ group: 'Go', name: 'Go to the inbox', keys: ['g i'], run: () => goTo('inbox') },
	{ group: 'Go', name: 'Go to drafts', keys: ['g d'], run: () => goTo('drafts') },
	{ group: 'Go', name: 'Go to sent', keys: ['g t'], run: () => goTo('sent') },
	{ group: 'Go', name: 'Go to the archive', keys: ['g a'], run: () => goTo('archive') },
	{ group: 'Conversations', name: 'Select, or not', keys: ['x'], run: toggle, able: hasCurrent },
	{ group: 'Conversations', name: 'Select all', keys: ['* a'], run: everything, able: () => rows.value.total > 0 },
	{ group: 'Conversations', name: 'Archive', keys: ['e'], run: () => void archive(), able: hasCurrent },
	{ group: 'Conversations', name: 'Delete', keys: ['#', 'Delete'], run: remove, able: hasCurrent },
	{ group: 'Conversations', name: 'Junk, or not', keys: ['!'], run: () => void (inJunk() ? notJunk() : junk()), able: hasCurrent },
	{ group: 'Conversations', name: 'Move to a mailbox', keys: ['v'], run: () => { asking.value = { kind: 'move' } }, able: hasCurrent },
	{ group: 'Conversations', name: 'Labels', keys: ['l'], run: () => { asking.value = { kind: 'labels' } }, able: hasCurrent },
	{ group: 'Conversations', name: 'Star, or not', keys: ['s'], run: () => void star(currentRows()), able: hasCurrent },
	{ group: 'Conversations', name: 'Mark as read', keys: ['Shift+I'], run: () => void markRead(true), able: hasCurrent },
	{ group: 'Conversations', name: 'Mark as unread', keys: ['Shift+U'], run: markUnread, able: hasCurrent },
	{ group: 'Conversations', name: 'Mute or unmute the conversation', keys: ['Shift+M'], run: () => void mute(), able: hasCurrent },
	{ group: 'Conversations', name: 'Undo', keys: ['z'], run: () => void undo(), able: () => undoable.value !== null },
	{ group: 'Writing', name: 'New message', keys: ['c'], run: () => compose() },
	{ group: 'Writing', name: 'Reply', keys: ['r'], run: () => wishes('reply'), able: conversation },
	{ group: 'Writing', name: 'Reply to all', keys: ['a'], run: () => wishes('replyAll'), able: conversation },
	{ group: 'Writing', name: 'Forward', keys: ['f'], run: () => wishes('forward'), able: conversation },
	{ group: 'Other', name: 'New mailbox', keys: [], run: () => { asking.value = { kind: 'newMailbox', parentId: null } } },
	{ group: 'Other', name: 'Print', keys: ['p'], run: () => print(), able: conversation },
	{ group: 'Other', name: 'All commands', keys: ['Control+K'], run: () => { asking.value = { kind: 'palette' } } },
	{ group: 'Other', name: 'Keys', keys: ['?'], run: () => { asking.value = { kind: 'help' } } },
]

// markUnread leaves the conversation, which would be read again.
export function markUnread(): void {
	void markRead(false)
	back()
}

// listTitle is the name of a view.
export function listTitle(): string {
	const v = view.value
	if (v.search !== undefined) return `Search: ${v.search}`
	const m = v.mailboxId ? mailbox(v.mailboxId) : undefined
	return m ? title(m) : 'Mail'
}

// composeTo opens a message to be written to the address of a mailto: link.
export function composeTo(link: string): void {
	const to = link.slice('mailto:'.length).split('?')[0]!
	let address = to
	try {
		address = decodeURIComponent(to)
	} catch {
		// It is no encoding: taken as it is.
	}
	compose(address)
}
