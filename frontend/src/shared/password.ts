// What can be said of a password before it is sent. The server has the last word.

// minLength is auth.MinPasswordLength of the server, in characters.
export const minLength = 8

const rows = ['abcdefghijklmnopqrstuvwxyz', '01234567890', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm']
const common = ['password', 'passwort', 'letmein', 'welcome', 'iloveyou', 'dragon', 'monkey', 'football', 'sunshine', 'princess', 'admin', 'secret', 'changeme', 'master', 'qwerty', 'mox']

export interface Strength {
	ok: boolean // long enough to be accepted
	level: 0 | 1 | 2 | 3 // none, weak, fair, strong
	text: string
}

// guesses is about how many tries, as a power of two, find a password: each character that is neither a repetition
// nor the next of a row of the keyboard counts, and a common word counts as one character.
function guesses(password: string, known: string[]): number {
	let p = password.toLowerCase()
	for (const word of [...known, ...common]) {
		if (word.length >= 3) p = p.split(word.toLowerCase()).join('\u0000')
	}
	const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^a-zA-Z0-9]/].filter(re => re.test(password)).length
	const bits = kinds === 1 && /^[0-9]*$/.test(password) ? 3.3 : 3.6 + 0.6 * kinds
	const seen = new Set<string>()
	let n = 0
	const letters = [...p]
	letters.forEach((c, i) => {
		const before = letters[i - 1] ?? ''
		const follows = before !== '' && (c === before || rows.some(row => row.includes(before + c) || row.includes(c + before)))
		const pair = before + c
		n += follows ? 0.2 : seen.has(pair) ? 0.4 : 1
		seen.add(pair)
	})
	return n * bits
}

// strength judges a password. Known are strings that an attacker would try first: the address and name of the user.
export function strength(password: string, known: string[] = []): Strength {
	const missing = minLength - [...password].length
	if (password === '') return { ok: false, level: 0, text: `At least ${minLength} characters. A few words that do not belong together are good, and easy to type.` }
	if (missing > 0) return { ok: false, level: 1, text: `${missing} more ${missing === 1 ? 'character' : 'characters'} needed.` }
	const parts = known.flatMap(k => k.split(/[@.\s_-]+/))
	const bits = guesses(password, [...known, ...parts])
	if (bits < 36) return { ok: true, level: 1, text: 'Weak: somebody who tries for a while will find it. Make it longer, or let us make one.' }
	if (bits < 56) return { ok: true, level: 2, text: 'Fair. A word or two more make it strong.' }
	return { ok: true, level: 3, text: 'Strong.' }
}
