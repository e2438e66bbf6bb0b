// What is known of an import that the server does, from its events.
import { count, number } from '../shared/format.ts'

// End is how an import ended. Numbers are of messages, and of problems.
export interface End {
	done: boolean // otherwise it ended early
	message: string // why it did; empty: by the user
	added: number
	present: number // were there already
	problems: number
}

export interface Progress {
	step: string // what is being done
	counts: Map<string, number> // messages by mailbox, in the order in which mailboxes came
	problems: string[] // the first ones
	dropped: number // problems beyond them
	end?: End
}

export const nothing: Progress = { step: '', counts: new Map(), problems: [], dropped: 0 }

// events are the names of those that advance knows.
export const events = ['count', 'problem', 'dropped', 'step', 'done', 'aborted'] as const
export type EventName = typeof events[number]

interface Data {
	Mailbox?: string
	Count?: number
	Message?: string
	Title?: string
	Added?: number
	Duplicates?: number
	Problems?: number
}

// advance returns what is known after an event. data is a JSON object; it throws if it is not.
export function advance(p: Progress, event: EventName, data: string): Progress {
	const d = JSON.parse(data || '{}') as Data
	switch (event) {
	case 'count':
		return { ...p, counts: new Map(p.counts).set(d.Mailbox ?? '', d.Count ?? 0) }
	case 'problem':
		return { ...p, problems: [...p.problems, d.Message ?? ''] }
	case 'dropped':
		return { ...p, dropped: d.Count ?? 0 }
	case 'step':
		return { ...p, step: d.Title ?? '' }
	case 'done':
	case 'aborted':
		return { ...p, end: { done: event === 'done', message: d.Message ?? '', added: d.Added ?? 0, present: d.Duplicates ?? 0, problems: d.Problems ?? p.problems.length + p.dropped } }
	}
}

// total is the sum of the counts.
export function total(p: Progress): number {
	return [...p.counts.values()].reduce((sum, n) => sum + n, 0)
}

// summary is what came of an import: "1,204 messages added, 12 were there already, 2 problems."
export function summary(e: End): string {
	const problems = e.problems > 0 ? `, ${count(e.problems, 'problem')}` : ''
	if (e.added === 0 && e.present > 0) {
		const all = e.present === 1 ? 'the one message was' : `${number(e.present)} messages were`
		return `Nothing added: ${all} there already${problems}.`
	}
	const present = e.present > 0 ? `, ${number(e.present)} ${e.present === 1 ? 'was' : 'were'} there already` : ''
	return `${count(e.added, 'message')} added${present}${problems}.`
}
