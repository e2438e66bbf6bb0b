// Where one is: the mailbox or search, and the conversation that is open, as the address has them.
import { computed } from '@preact/signals'
import { link, route } from '../shared/router.ts'
import { rowOf, view, type View } from './list.ts'
import { role } from './mail.ts'

// openThread is the conversation that is open, or empty.
export const openThread = computed(() => route.value.name === 'mailbox' || route.value.name === 'search' ? route.value.args[1] ?? '' : '')

// viewAt is the view of the address.
export function viewAt(): View {
	const { name, args } = route.value
	if (name === 'search' && args[0]) return searchView(args[0])
	if (name === 'mailbox' && args[0]) return boxView(args[0])
	const inbox = role('inbox')
	return inbox ? boxView(inbox.id) : { key: '' }
}

function boxView(id: string): View {
	return { key: `mailbox ${id}`, mailboxId: id }
}

function searchView(search: string): View {
	return { key: `search ${search}`, search }
}

export function boxLink(id: string): string {
	return link('mailbox', id)
}

export function searchLink(text: string): string {
	return link('search', text)
}

// listLink leads to the list that is shown, with a conversation or without.
export function listLink(thread = ''): string {
	const v = view.value
	const more = thread === '' ? [] : [thread]
	if (v.search !== undefined) return link('search', v.search, ...more)
	return link('mailbox', v.mailboxId ?? '', ...more)
}

// go follows a link. With over the way back does not lead here.
export function go(to: string, over = false): void {
	if (over) location.replace(to)
	else location.hash = to
}

// wide tells that list and conversation are beside each other.
export function wide(): boolean {
	return matchMedia('(min-width: 60rem)').matches
}

// openRow is the row of the conversation that is open.
export function openRow(): string {
	return openThread.value ? rowOf(openThread.value) : ''
}
