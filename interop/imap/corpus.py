"""The messages of the comparison: a few ordinary ones, and many that break rules or use rare
ones. Each is written here; \\n becomes CRLF, but in those whose names end in -raw."""
import base64

LONG = "x" * 1500

TEXTS = {
    "plain": """From: Alice Example <alice@remote.example>
To: Bob <bob@localhost>
Cc: carol@remote.example, "Dan, D." <dan@remote.example>
Subject: quarterly report
Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)
Message-ID: <one@remote.example>

Hello Bob,
the report is attached to no message.
""",
    "reply": """From: Bob <bob@localhost>
To: Alice Example <alice@remote.example>
Subject: Re: quarterly report
Date: Tue, 8 Feb 1994 06:10:00 +0100
Message-ID: <two@localhost>
In-Reply-To: <one@remote.example>
References: <one@remote.example>

> the report is attached to no message.
I see.
""",
    "reply-nested": """From: Alice Example <alice@remote.example>
To: Bob <bob@localhost>
Subject: RE: re[2]: [list] quarterly report (fwd)
Date: Tue, 8 Feb 1994 07:10:00 +0000
Message-ID: <three@remote.example>
References: <one@remote.example> <two@localhost>

Third.
""",
    "alternative": """From: =?utf-8?q?Zo=C3=AB?= <zoe@remote.example>
To: bob@localhost
Subject: =?utf-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?= =?utf-8?q?_und?= mehr
Date: Sat, 1 Jan 2000 00:00:00 +0000
Message-ID: <alt@remote.example>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=_a"

preamble words
--=_a
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe, caf=C3=A9 soft=
break
--=_a
Content-Type: text/html; charset="utf-8"
Content-Transfer-Encoding: base64

PHA+R3LDvMOfZTwvcD48c3R5bGU+aGlkZGVue308L3N0eWxlPg==
--=_a--
epilogue words
""",
    "mixed-nested": """From: a@b.example
To: c@d.example
Subject: nested
Date: Fri, 31 Dec 1999 23:59:59 +0000
Message-ID: <nested@b.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/related; boundary=inner; type="text/html"
Content-ID: <related@b.example>

--inner
Content-Type: text/html; charset=us-ascii
Content-Location: http://www.b.example/page
Content-Language: en, de

<b>inner html</b>
--inner
Content-Type: image/png; name="pic ture.png"
Content-Disposition: inline; filename="pic ture.png"; size=4
Content-ID: <pic@b.example>
Content-Description: a picture
Content-Transfer-Encoding: base64
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==

iVBORw==
--inner--

--outer
Content-Type: message/rfc822
Content-Description: forwarded

From: inner@e.example
To: undisclosed-recipients:;
Subject: inner subject
Date: Thu, 30 Dec 1999 12:00:00 -0330
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=deep

--deep

deep text one
--deep
Content-Type: text/x-patch; charset=iso-8859-1
Content-Disposition: attachment;
 filename*0*=utf-8''gr%C3%BC;
 filename*1=n.patch
Content-Transfer-Encoding: 8bit

+ line
--deep--
--outer
Content-Type: application/octet-stream

last part
--outer--
""",
    "digest": """From: list@b.example
To: all@b.example
Subject: digest
Date: Wed, 5 Jan 2000 08:00:00 EST
MIME-Version: 1.0
Content-Type: multipart/digest; boundary=d

--d

From: x@b.example
Subject: first of digest

one
--d
Content-Type: text/plain

not a message
--d--
""",
    "rfc822-top": """From: a@b.example
Subject: forwarded whole
Date: 5 Jan 2000 09:00 GMT
MIME-Version: 1.0
Content-Type: message/rfc822

From: z@b.example
To: y@b.example
Subject: what was forwarded

the inner body
""",
    "rfc822-base64": """From: a@b.example
Subject: encoded message
MIME-Version: 1.0
Content-Type: message/rfc822
Content-Transfer-Encoding: base64

"""
    + base64.encodebytes(b"Subject: hidden\r\n\r\nhidden body\r\n").decode(),
    "no-header": """
Only a body, after an empty line.
""",
    "no-body": """From: a@b.example
Subject: no body, no empty line
""",
    "header-end": """From: a@b.example
Subject: empty body

""",
    "garbage-header": """From a@b.example Sat Jan  1 00:00:00 2000
From: a@b.example
This line is no field
Subject : space before the colon
X-Empty:
To: ok@b.example

body
""",
    "no-crlf-end-raw": "From: a@b.example\r\nSubject: no line end\r\n\r\nlast line without end",
    "empty-fields": """From:
To: ,
Cc: <>
Subject:
Date:
Message-ID:
Reply-To: ()
Sender:

empty fields
""",
    "groups": """From: Group Sender <g@b.example>
To: A Group: Ed Jones <joe@where.test>, john@one.test, "J. Doe" <jdoe@one.test>;
Cc: Undisclosed recipients:;, after@b.example
Bcc: (comment) <bcc@b.example> (other)
Reply-To: Outer:inner@b.example
Subject: groups
Date: Sun, 02 Jan 2000 10:00:00 +1400

groups
""",
    "odd-addresses": """From: "Joe \\"Q\\" \\\\ Public" <john.q.public@example.com>
Sender: Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>
To: <@host1.test,@host2.test:routed@b.example>
Cc: user name@b.example, <nodomain>, justaword, @nolocal.example, a@@b.example
Bcc: "quoted local"@b.example, dots..in@b.example, x@[192.0.2.1], =?iso-8859-1?q?J=F6rg?= <j@b.example>
Subject: addresses
 folded over
\tlines
Date: Sun, 2 Jan 2000 10:00:00 -1200

addresses
""",
    "eight-bit-header": """From: J\u00f6rg M\u00fcller <jm@b.example>
To: \u00e9@b.example
Subject: Gr\u00fc\u00dfe in the header
Date: Mon, 3 Jan 2000 01:02:03 +0545
X-Bytes: caf\u00e9

Gr\u00fc\u00dfe in the body
""",
    "latin1-raw": b"From: a@b.example\r\nSubject: Gr\xfc\xdfe latin\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nk\xf6nnen M\xf6hren\r\n",
    "encoded-words": """From: =?us-ascii?q?Keith_Moore?= <moore@cs.utk.example>
To: =?iso-8859-1?q?Keld_J=F8rn_Simonsen?= <keld@dkuug.example>
Cc: "=?utf-8?q?in_quotes?=" <q@b.example>, =?utf-8?q?=2C=22?= <c@b.example>
Subject: =?iso-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=
 =?iso-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?= =?x?= =?utf-8?x?y?= =?utf-8?q?broken
Date: Tue, 4 Jan 2000 01:02:03 -0000
Comments: =?utf-8*de?q?=C3=9Cbung?=

encoded words
""",
    "long-lines": "From: a@b.example\nSubject: " + LONG + "\nDate: Wed, 5 Jan 2000 01:02:03 +0000\nReferences: " + " ".join(f"<{i}@b.example>" for i in range(80)) + "\n\n" + LONG + "\n" + LONG + "\n",
    "no-boundary": """From: a@b.example
Subject: multipart without boundary
MIME-Version: 1.0
Content-Type: multipart/mixed

--x

text
--x--
""",
    "unclosed": """From: a@b.example
Subject: multipart that does not end
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=open

--open
Content-Type: text/plain

one
--open
Content-Type: multipart/alternative; boundary=inner

--inner

two
""",
    "missing-boundary": """From: a@b.example
Subject: boundary that never comes
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=never

text without delimiter
""",
    "empty-parts": """From: a@b.example
Subject: empty parts
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=e

--e
--e

--e
Content-Type: text/plain
--e
Content-Type: text/html

--e--
""",
    "prefix-boundaries": """From: a@b.example
Subject: one boundary begins the other
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=ab

--ab
Content-Type: multipart/mixed; boundary=abc

--abc

inner
--abc--
--ab
Content-Type: text/plain

outer
--ab--
""",
    "broken-type": """From: a@b.example
Subject: content types that are none
MIME-Version: 1.0
Content-Type: text
Content-Transfer-Encoding: x-odd
Content-Disposition: ; filename=x

body
""",
    "broken-params": """From: a@b.example
Subject: parameters
MIME-Version: 1.0
Content-Type: text/plain; charset; name = "a b" ; =x; format=flowed;; delsp="yes

body
""",
    "comments-type": """From: a@b.example
Subject: comments
MIME-Version: (c) 1.0
Content-Type: (a) text (b) / (c) plain (d) ; (e) charset (f) = (g) utf-8 (h)
Content-Transfer-Encoding: (x) 7bit (y)

body
""",
    "double-fields": """From: first@b.example
From: second@b.example
To: one@b.example
To: two@b.example
Subject: first subject
Subject: second subject
Date: Thu, 6 Jan 2000 01:02:03 +0000
Date: Fri, 7 Jan 2000 01:02:03 +0000
Content-Type: text/plain
Content-Type: text/html
Message-ID: <d1@b.example>
Message-ID: <d2@b.example>

body
""",
    "dates-late": """From: a@b.example
Subject: late in its zone
Date: Mon, 10 Jan 2000 23:30:00 -1000

x
""",
    "dates-early": """From: a@b.example
Subject: early in its zone
Date: 11 Jan 2000 00:30:00 +1000

x
""",
    "dates-bad": """From: a@b.example
Subject: no such date
Date: Someday, 32 Foo 20000 25:61:61 +9999

x
""",
    "dates-obsolete": """From: a@b.example
Subject: two digits
Date: Tue , 11 Jan 00 (c) 10 : 20 UT

x
""",
    "dates-short": """From: a@b.example
Subject: no seconds, no zone
Date: Wed, 12 Jan 2000 10:20

x
""",
    "base64-broken": """From: a@b.example
Subject: base64 that is broken
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain
Content-Transfer-Encoding: base64

SGVsbG8gd29y*bGQ
--b
Content-Type: text/plain
Content-Transfer-Encoding: quoted-printable

a=3Db=ZZ =c3=
--b
Content-Type: text/plain
Content-Transfer-Encoding: BASE64

SGVsbG8gd29ybGQ=
--b--
""",
    "qp-spaces": "From: a@b.example\nSubject: quoted printable\nMIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: Quoted-Printable\n\nspaces  =20  \nsoft = \nbreak=09\n",
    "uuencode": """From: a@b.example
Subject: uuencode
MIME-Version: 1.0
Content-Type: text/plain
Content-Transfer-Encoding: x-uuencode

begin 644 a
#86)C
`
end
""",
    "mdn": """From: a@b.example
To: b@b.example
Subject: receipt
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary=r

--r

It was read.
--r
Content-Type: message/disposition-notification

Final-Recipient: rfc822;b@b.example
Disposition: manual-action/MDN-sent-manually; displayed
--r
Content-Type: text/rfc822-headers

Subject: the original
--r--
""",
    "external-body": """From: a@b.example
Subject: external
MIME-Version: 1.0
Content-Type: message/external-body; access-type=local-file; name="/x"

Content-Type: image/gif

phantom
""",
    "message-partial": """From: a@b.example
Subject: partial
MIME-Version: 1.0
Content-Type: message/partial; number=2; total=3; id="x@b.example"

middle
""",
    "tabs-folding": """From:\ta@b.example
To:
 b@b.example,
\tc@b.example
Subject:  two spaces\tand a tab
 \t folded
Message-ID:
 <folded@b.example>
In-Reply-To: words and <id@b.example> more
Date:
 Thu,
 13 Jan 2000
 10:20:30
 +0000

x
""",
    "many-words": "From: words@b.example\nTo: bob+tag@localhost\nSubject: needle in a haystack\nDate: Fri, 14 Jan 2000 10:20:30 +0000\nX-Spam-Flag: YES\nX-Priority: 1\n\n" + "\n".join(f"line {i} of many words" for i in range(200)) + "\n",
    "large": "From: large@b.example\nSubject: large\nDate: Sat, 15 Jan 2000 10:20:30 +0000\n\n" + "0123456789abcdef\n" * 3000,
    "bare-lf-raw": b"From: a@b.example\nSubject: bare line feeds\n\nbody\nof lines\n",
    "bare-cr-raw": b"From: a@b.example\r\nSubject: bare\rreturn\r\n\r\nbody\rof returns\r\n",
    "control-raw": b"From: a@b.example\r\nSubject: bell\x07 and \x7f\x01\r\n\r\n\x08body\x1b[0m\r\n",
    "utf8-boundary": "From: a@b.example\nSubject: boundary in quotes\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b (1) 'x' \"\n\n--b (1) 'x'\n\npart\n--b (1) 'x'--\n",
    "deep": "From: a@b.example\nSubject: deep\nMIME-Version: 1.0\n" + "".join(f"Content-Type: multipart/mixed; boundary=n{i}\n\n--n{i}\n" for i in range(12)) + "\nbottom\n" + "".join(f"--n{i}--\n" for i in reversed(range(12))),
    "rfc2231": """From: a@b.example
Subject: parameters of RFC 2231
MIME-Version: 1.0
Content-Type: application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20;
 title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2="isn't it!"
Content-Disposition: attachment; filename*=iso-8859-1''na%EFve.txt; filename=plain.txt

x
""",
}

# Flags and the internal date, by position.
FLAGS = [b"", rb"\Seen", rb"\Flagged \Seen", rb"\Answered", rb"\Draft", b"$Forwarded", rb"\Deleted", b"keyword1 KeyWord2"]
# The first are dates that sections of RFC 3501 and 9051 give.
DATES = ["17-Jul-1996 02:44:25 -0700", "14-Jul-1993 02:23:25 +0000", " 1-Feb-2001 23:59:59 +0000", "02-Feb-2001 00:00:00 +0000", "10-Mar-2005 23:30:00 -0800", "11-Mar-2005 12:00:00 +0530"]


def messages():
    """(name, flags, internal date, bytes) of each."""
    out = []
    for i, (name, text) in enumerate(TEXTS.items()):
        data = text if isinstance(text, bytes) else text.encode()
        if not name.endswith("-raw"):
            data = data.replace(b"\n", b"\r\n")
        out.append((name, FLAGS[i % len(FLAGS)], DATES[i % len(DATES)], data))
    return out
