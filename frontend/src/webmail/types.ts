// Objects of JMAP as the webmail uses them: RFC 8621, with the properties that are asked for.

export interface Address {
	name: string | null
	email: string
}

// RFC 8621 2.
export interface Mailbox {
	id: string
	name: string
	parentId: string | null
	role: string | null
	sortOrder: number
	totalEmails: number
	unreadEmails: number
	totalThreads: number
	unreadThreads: number
	myRights: Record<string, boolean>
	isSubscribed: boolean
}

// Head is what lists show of an Email, RFC 8621 4.1.
export interface Head {
	id: string
	threadId: string
	mailboxIds: Record<string, boolean>
	keywords: Record<string, boolean>
	from: Address[] | null
	to: Address[] | null
	subject: string | null
	preview: string
	receivedAt: string
	hasAttachment: boolean
	size: number
}

export const headProperties = ['id', 'threadId', 'mailboxIds', 'keywords', 'from', 'to', 'subject', 'preview', 'receivedAt', 'hasAttachment', 'size']

// Part is an EmailBodyPart, RFC 8621 4.1.4.
export interface Part {
	partId: string | null
	blobId: string | null
	size: number
	name: string | null
	type: string
	disposition: string | null
	cid: string | null
}

export const partProperties = ['partId', 'blobId', 'size', 'name', 'type', 'disposition', 'cid']

// Full is an Email with its text.
export interface Full extends Head {
	blobId: string
	cc: Address[] | null
	bcc: Address[] | null
	replyTo: Address[] | null
	sender: Address[] | null
	sentAt: string | null
	messageId: string[] | null
	inReplyTo: string[] | null
	references: string[] | null
	textBody: Part[]
	htmlBody: Part[]
	attachments: Part[]
	bodyValues: Record<string, { value: string; isEncodingProblem: boolean; isTruncated: boolean }>
	'header:Authentication-Results:asText:all': string[]
}

export const fullProperties = [...headProperties, 'blobId', 'cc', 'bcc', 'replyTo', 'sender', 'sentAt', 'messageId', 'inReplyTo', 'references', 'textBody', 'htmlBody', 'attachments', 'bodyValues', 'header:Authentication-Results:asText:all']

// RFC 8621 6.
export interface Identity {
	id: string
	name: string
	email: string
	replyTo: Address[] | null
	bcc: Address[] | null
	textSignature: string
}

// Patch is a PatchObject of an Email, RFC 8620 5.3: keywords and mailboxes by their paths, or all mailboxes at once.
export type Patch = Record<string, unknown>

// Filter of Email/query, RFC 8621 4.4.1.
export type Filter = Record<string, unknown> | { operator: 'AND' | 'OR' | 'NOT'; conditions: Filter[] }
