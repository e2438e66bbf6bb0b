package search

// samples are texts in many scripts.
var samples = []string{
	"The quick brown fox jumps over the lazy dog; don't_stop, C++ & $100!",
	"Meeting on 2024-03-15 at 14:30 (room 4.2), call +49 30 123456 or mail bob@example.com",
	"Füße, Größe, Straße, ÄÖÜ, naïve café, e\u0301te\u0301, \u0301start",
	"Tiếng Việt: Hà Nội là thủ đô; tiê\u0301ng Viê\u0323t",
	"Съешь же ещё этих мягких французских булок, да выпей чаю. И\u0306",
	"Ξεσκεπάζω την ψυχοφθόρα βδελυγμία ΣΊΣΥΦΟΣ",
	"日本語の文章です。東京都に住んでいます。カタカナとｶﾀｶﾅ、ガギグ。",
	"他说中文。我们明天在北京开会，讨论第3季度的报告。",
	"한국어 문장입니다. 서울에서 만나요! \u1112\u1161\u11ab\u1100\u1173\u11af",
	"ภาษาไทยเป็นภาษาที่ไม่มีช่องว่างระหว่างคำ สวัสดีครับ",
	"ພາສາລາວ ភាសាខ្មែរ မြန်မာဘာသာ བོད་སྐད",
	"مرحبا بالعالم، می\u200cخواهم بروم ۱۲۳",
	"שלום עולם, מה שלומך?",
	"हिन्दी में लिखा हुआ पाठ, ক্ষ த மி ழ்",
	"🎉 party 👩\u200d💻 coding 🇩🇪 €5 ½ ™ ① ﬁne",
	"-----BEGIN PGP MESSAGE-----\nhQEMA5x7kjh3Qz8RAQf/YbW4m1qkzT0nP2m1oX9RrWl8mKJ0dHVxZ3Vyb25nYmFzZTY0\n=aB3d",
	"https://click.example.com/ls/click?upn=u001.Ab3dEf6hIj9kLmN0pQr5tUv8xYz1aBcD4eFgH7iJkL-2BmN",
	"Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
	"d41d8cd98f00b204e9800998ecf8427e 550e8400-e29b-41d4-a716-446655440000 1234567890123456789",
	"\x00\x01\x7f \u2028 \u2029 \u0085 tabs\tand  two spaces\r\nand lines\r\r\n",
	"\xff\xfebroken \xe6\x97 utf8 \ufffd",
}
