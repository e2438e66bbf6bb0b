// Archives of mail, made and read by tests of pages.
import { crc32 } from 'node:zlib'

// message is one with a subject; lines end in LF, as in files.
export const message = subject => `From: Ann <ann@sender.example>\nTo: you@example.org\nSubject: ${subject}\nMessage-ID: <${subject.replace(/\W/g, '.')}@sender.example>\nDate: Mon, 4 May 2026 10:00:00 +0000\n\nText of ${subject}.\n`

// mbox is a file of messages.
export const mbox = subjects => subjects.map(s => `From ann@sender.example Mon May  4 10:00:00 2026\n${message(s)}\n`).join('')

// zip is an archive of files, by name, without compression.
export function zip(files) {
	const parts = []
	const directory = []
	let offset = 0
	for (const [path, text] of Object.entries(files)) {
		const name = Buffer.from(path)
		const data = Buffer.from(text)
		const common = Buffer.alloc(26) // of both headers: version, flags, method, time, date, sums, lengths
		common.writeUInt16LE(20, 0)
		common.writeUInt16LE(0x800, 2) // names are UTF-8
		common.writeUInt16LE(0x5ca4, 8) // 2026-05-04
		common.writeUInt32LE(crc32(data), 10)
		common.writeUInt32LE(data.length, 14)
		common.writeUInt32LE(data.length, 18)
		common.writeUInt16LE(name.length, 22)
		const place = Buffer.alloc(14)
		place.writeUInt32LE(offset, 10)
		parts.push(Buffer.from('PK\x03\x04'), common, name, data)
		directory.push(Buffer.from('PK\x01\x02\x14\x00'), common, place, name)
		offset += 30 + name.length + data.length
	}
	const all = Buffer.concat(directory)
	const tail = Buffer.alloc(18)
	tail.writeUInt16LE(Object.keys(files).length, 4)
	tail.writeUInt16LE(Object.keys(files).length, 6)
	tail.writeUInt32LE(all.length, 8)
	tail.writeUInt32LE(offset, 12)
	return Buffer.concat([...parts, all, Buffer.from('PK\x05\x06'), tail])
}

// names are those of the files in a zip archive.
export function names(archive) {
	const end = archive.lastIndexOf('PK\x05\x06')
	const found = []
	let at = archive.readUInt32LE(end + 16)
	for (let n = archive.readUInt16LE(end + 10); n > 0; n--) {
		const length = archive.readUInt16LE(at + 28)
		found.push(archive.toString('utf8', at + 46, at + 46 + length))
		at += 46 + length + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32)
	}
	return found
}
