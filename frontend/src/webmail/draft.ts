// A message that is written: how it begins, and what becomes of it. Pure; composer.tsx has the page.
import { display, formatAll, parse, same, unique } from './addresses.ts'
import { longDate } from './dates.ts'
import { quoted, unsigned } from './text.ts'
import type { Address, Full, Identity } from './types.ts'

export interface Attachment {
	blobId: string
	name: string
	type: string
	size: number
}

export interface Draft {
	key: string // of this browser, for what is kept until it is saved
	emailId: string // of the email in Drafts, or empty
	identityId: string
	to: string
	cc: string
	bcc: string
	subject: string
	text: string
	attachments: Attachment[]
	inReplyTo: string[] | null
	references: string[] | null
	original: string // id of the email that is answered or forwarded, or empty
	mark: '$answered' | '$forwarded' | ''
}

export function empty(key: string, identity: Identity | undefined): Draft {
	return {
		key, emailId: '', identityId: identity?.id ?? '', to: '', cc: '', bcc: formatAll(identity?.bcc ?? null), subject: '', text: signed('', identity),
		attachments: [], inReplyTo: null, references: null, original: '', mark: '',
	}
}

// signed is text with the signature of an identity below it.
export function signed(text: string, identity: Identity | undefined): string {
	const signature = identity?.textSignature.trim()
	return signature ? `${text}\n\n-- \n${signature}` : text
}

// resigned is text with the signature of another identity, if that of the first is still in it.
export function resigned(text: string, before: Identity | undefined, after: Identity | undefined): string {
	const old = signed('', before)
	if (old === '') return text === '' ? signed('', after) : text
	const at = text.lastIndexOf(old)
	return at < 0 ? text : text.slice(0, at) + signed('', after) + text.slice(at + old.length)
}

// prefixed is a subject with "Re: " or "Fwd: ", once.
export function prefixed(prefix: 'Re' | 'Fwd', subject: string | null): string {
	const known = prefix === 'Re' ? /^\s*re\s*(\[\d+\])?\s*:/i : /^\s*(fwd?|wg)\s*:/i
	const s = (subject ?? '').trim()
	return known.test(s) ? s : `${prefix}: ${s}`
}

// RFC 5322 3.6.4: References has those of the message that is answered, or else its In-Reply-To if that is one, and it itself.
export function references(m: Pick<Full, 'messageId' | 'inReplyTo' | 'references'>): Pick<Draft, 'inReplyTo' | 'references'> {
	if (!m.messageId?.length) return { inReplyTo: null, references: null }
	const before = m.references ?? (m.inReplyTo?.length === 1 ? m.inReplyTo : [])
	return { inReplyTo: m.messageId, references: [...before.filter(id => !m.messageId!.includes(id)), ...m.messageId] }
}

// identityFor is the identity that a message was sent to or from, or the first.
export function identityFor(identities: Identity[], m: Pick<Full, 'from' | 'to' | 'cc' | 'bcc'>): Identity | undefined {
	const all = [...m.to ?? [], ...m.cc ?? [], ...m.bcc ?? [], ...m.from ?? []]
	for (const a of all) {
		const found = identities.find(i => same(i.email, a.email))
		if (found) return found
	}
	return identities[0]
}

// recipients of an answer, RFC 5322 3.6.3: to who wrote, or where that says; to the others too if all. One's own
// addresses are left out, but an answer to oneself goes to those that were written to.
export function recipients(m: Full, own: string[], all: boolean): { to: Address[]; cc: Address[] } {
	const author = m.replyTo?.length ? m.replyTo : m.from ?? []
	const mine = author.length > 0 && author.every(a => own.some(o => same(o, a.email)))
	if (mine) {
		const to = unique(m.to ?? [])
		return { to: to.length > 0 ? to : author, cc: all ? unique(m.cc ?? [], [...own, ...to.map(a => a.email)]) : [] }
	}
	const to = unique(author)
	return { to, cc: all ? unique([...m.to ?? [], ...m.cc ?? []], [...own, ...to.map(a => a.email)]) : [] }
}

// answer is a reply to a message whose text is given.
export function answer(key: string, m: Full, text: string, identities: Identity[], all: boolean): Draft {
	const identity = identityFor(identities, m)
	const { to, cc } = recipients(m, identities.map(i => i.email), all)
	const intro = `On ${longDate(m.sentAt ?? m.receivedAt)}, ${display(m.from?.[0]) || 'somebody'} wrote:`
	return {
		...empty(key, identity), to: formatAll(to), cc: formatAll(cc), subject: prefixed('Re', m.subject), ...references(m),
		text: `${signed('', identity)}\n\n${intro}\n${quoted(unsigned(text))}\n`, original: m.id, mark: '$answered',
	}
}

// forward passes a message on, with its attachments.
export function forward(key: string, m: Full, text: string, identities: Identity[]): Draft {
	const identity = identityFor(identities, m)
	const lines = [
		'---------- Forwarded message ----------',
		`From: ${formatAll(m.from)}`, `Date: ${longDate(m.sentAt ?? m.receivedAt)}`, `Subject: ${m.subject ?? ''}`, `To: ${formatAll(m.to)}`,
		...m.cc?.length ? [`Cc: ${formatAll(m.cc)}`] : [],
	]
	return {
		...empty(key, identity), subject: prefixed('Fwd', m.subject), references: references(m).references,
		text: `${signed('', identity)}\n\n${lines.join('\n')}\n\n${text.replace(/\n+$/, '')}\n`,
		attachments: attachmentsOf(m), original: m.id, mark: '$forwarded',
	}
}

// attachmentsOf are those of an email that have bytes of their own.
export function attachmentsOf(m: Pick<Full, 'attachments'>): Attachment[] {
	return m.attachments.flatMap(p => p.blobId ? [{ blobId: p.blobId, name: p.name ?? nameFor(p.type), type: p.type, size: p.size }] : [])
}

// nameFor is the name of a file that has none.
export function nameFor(type: string): string {
	return type === 'message/rfc822' ? 'message.eml' : 'attachment'
}

// reopened is a draft as it was saved.
export function reopened(key: string, m: Full, text: string, identities: Identity[]): Draft {
	const identity = identities.find(i => m.from?.some(a => same(a.email, i.email))) ?? identities[0]
	return {
		...empty(key, identity), bcc: formatAll(m.bcc), emailId: m.id, to: formatAll(m.to), cc: formatAll(m.cc), subject: m.subject ?? '', text,
		attachments: attachmentsOf(m), inReplyTo: m.inReplyTo, references: m.references,
	}
}

// addressed has the recipients of a draft, and what cannot be one.
export function addressed(d: Draft): { to: Address[]; cc: Address[]; bcc: Address[]; bad: string[] } {
	const [to, cc, bcc] = [parse(d.to), parse(d.cc), parse(d.bcc)]
	return { to: to.addresses, cc: cc.addresses, bcc: bcc.addresses, bad: [...to.bad, ...cc.bad, ...bcc.bad] }
}

// email is the Email to be created for a draft, RFC 8621 4.6. Recipients that are not finished are left out of it.
export function email(d: Draft, identity: Identity | undefined, drafts: string): Record<string, unknown> {
	const { to, cc, bcc } = addressed(d)
	return {
		mailboxIds: { [drafts]: true },
		keywords: { $draft: true, $seen: true },
		from: identity ? [{ name: identity.name || null, email: identity.email }] : null,
		replyTo: identity?.replyTo?.length ? identity.replyTo : null,
		to: to.length ? to : null, cc: cc.length ? cc : null, bcc: bcc.length ? bcc : null,
		subject: d.subject.replace(/\s+/g, ' ').trim(),
		inReplyTo: d.inReplyTo, references: d.references,
		textBody: [{ partId: 'text', type: 'text/plain' }],
		bodyValues: { text: { value: d.text } },
		attachments: d.attachments.map(a => ({ blobId: a.blobId, type: a.type, name: a.name, disposition: 'attachment' })),
	}
}

// isBlank tells that nothing would be lost with a draft, compared with how it began.
export function isBlank(d: Draft, begun: Draft): boolean {
	return d.emailId === '' && content(d) === content(begun)
}

// content is what is compared to know whether a draft has to be saved.
export function content(d: Draft): string {
	return JSON.stringify([d.identityId, d.to, d.cc, d.bcc, d.subject, d.text, d.attachments.map(a => [a.name, a.size])])
}

// promises tells that a text speaks of an attachment, above what is quoted.
export function promises(text: string): boolean {
	return /\b(attach(ed|ment|ments|ing)?|enclosed|anbei|angehängt|im anhang|bijlage|ci-joint|adjunto)\b/i.test(text.split(/\n(?:On .*wrote:\n>|-{5,} Forwarded)/)[0]!.replace(/^>.*$/gm, ''))
}
