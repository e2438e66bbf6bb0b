import assert from 'node:assert/strict'
import test from 'node:test'
import { passed } from './authentic.ts'

test('authors that the server verified', () => {
	assert.equal(passed([' mail.example.org; spf=pass smtp.mailfrom=a@b.example; dmarc=pass (p=none) header.from=b.example']), true)
	assert.equal(passed(['mail.example.org;\r\n\tdmarc=pass header.from=b.example', 'other; dmarc=fail']), true)
	for (const no of [
		null, undefined, [], [''], ['mail.example.org; none'], ['mail.example.org; dmarc=fail header.from=b.example'], ['mail.example.org; dmarc=none', 'other.example; dmarc=pass'],
		['mail.example.org; spf=fail smtp.mailfrom="; dmarc=pass "@evil.example'], ['mail.example.org; spf=fail (; dmarc=pass ) smtp.mailfrom=x'], ['mail.example.org; spf=fail smtp.mailfrom="\\"; dmarc=pass "@e.example'],
		['mail.example.org; dmarc=passed'], ['dmarc=pass'], ['mail.example.org; spf=fail (a (b) ; dmarc=pass x) c'],
	]) assert.equal(passed(no), false, String(no))
})
