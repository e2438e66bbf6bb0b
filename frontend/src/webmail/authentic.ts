// What the server has found of a message's author.

// passed tells that the author's domain was verified (DMARC), by the first field Authentication-Results of a message: that of the
// server that took it. What others wrote, in comments, texts in quotes, and fields below, does not count.
export function passed(fields: string[] | null | undefined): boolean {
	const first = (fields?.[0] ?? '').replace(/"(?:\\.|[^"\\])*"/g, '""')
	let depth = 0
	let bare = ''
	for (const c of first) {
		if (c === '(') depth++
		else if (c === ')') depth = Math.max(0, depth - 1)
		else if (depth === 0) bare += c
	}
	return bare.split(';').slice(1).some(part => /^\s*dmarc\s*=\s*pass(\s|$)/i.test(part))
}
