package message

import (
	"reflect"
	"strings"
	"testing"
)

// TestRFC5322Examples parses the messages of RFC 5322 appendix A.
func TestRFC5322Examples(t *testing.T) {
	mb := func(name, local, host string) Address { return Address{Name: name, Mailbox: local, Host: host} }
	john, mary := mb("John Doe", "jdoe", "machine.example"), mb("Mary Smith", "mary", "example.net")
	for _, test := range []struct {
		name, msg string
		want      Envelope
		body      string
	}{
		{"A.1.1", "From: John Doe <jdoe@machine.example>\nSender: Michael Jones <mjones@machine.example>\nTo: Mary Smith <mary@example.net>\nSubject: Saying Hello\nDate: Fri, 21 Nov 1997 09:55:06 -0600\nMessage-ID: <1234@local.machine.example>\n\nThis is a message just to say hello.\nSo, \"Hello\".\n",
			Envelope{Date: "Fri, 21 Nov 1997 09:55:06 -0600", Subject: "Saying Hello", From: []Address{john}, Sender: []Address{mb("Michael Jones", "mjones", "machine.example")}, To: []Address{mary}, MessageID: "<1234@local.machine.example>"},
			"This is a message just to say hello.\r\nSo, \"Hello\".\r\n"},
		{"A.1.2", "From: \"Joe Q. Public\" <john.q.public@example.com>\nTo: Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>\nCc: <boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>\nDate: Tue, 1 Jul 2003 10:52:37 +0200\nMessage-ID: <5678.21-Nov-1997@example.com>\n\nHi everyone.\n",
			Envelope{Date: "Tue, 1 Jul 2003 10:52:37 +0200", From: []Address{mb("Joe Q. Public", "john.q.public", "example.com")}, To: []Address{mb("Mary Smith", "mary", "x.test"), mb("", "jdoe", "example.org"), mb("Who?", "one", "y.test")}, Cc: []Address{mb("", "boss", "nil.test"), mb(`Giant; "Big" Box`, "sysservices", "example.net")}, MessageID: "<5678.21-Nov-1997@example.com>"},
			"Hi everyone.\r\n"},
		{"A.2", "From: Mary Smith <mary@example.net>\nTo: John Doe <jdoe@machine.example>\nReply-To: \"Mary Smith: Personal Account\" <smith@home.example>\nSubject: Re: Saying Hello\nDate: Fri, 21 Nov 1997 10:01:10 -0600\nMessage-ID: <3456@example.net>\nIn-Reply-To: <1234@local.machine.example>\nReferences: <1234@local.machine.example>\n\nThis is a reply to your hello.\n",
			Envelope{Date: "Fri, 21 Nov 1997 10:01:10 -0600", Subject: "Re: Saying Hello", From: []Address{mary}, ReplyTo: []Address{mb("Mary Smith: Personal Account", "smith", "home.example")}, To: []Address{john}, MessageID: "<3456@example.net>", InReplyTo: "<1234@local.machine.example>", References: "<1234@local.machine.example>"},
			"This is a reply to your hello.\r\n"},
		{"A.3", "Resent-From: Mary Smith <mary@example.net>\nResent-To: Jane Brown <j-brown@other.example>\nResent-Date: Mon, 24 Nov 1997 14:22:01 -0800\nResent-Message-ID: <78910@example.net>\nFrom: John Doe <jdoe@machine.example>\nTo: Mary Smith <mary@example.net>\nSubject: Saying Hello\nDate: Fri, 21 Nov 1997 09:55:06 -0600\nMessage-ID: <1234@local.machine.example>\n\nx\n",
			Envelope{Date: "Fri, 21 Nov 1997 09:55:06 -0600", Subject: "Saying Hello", From: []Address{john}, To: []Address{mary}, MessageID: "<1234@local.machine.example>"}, "x\r\n"},
		{"A.5", "From: Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>\nTo:A Group(Some people)\n     :Chris Jones <c@(Chris's host.)public.example>,\n         joe@example.org,\n  John <jdoe@one.test> (my dear friend); (the end of the group)\nCc:(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;\nDate: Thu,\n      13\n        Feb\n          1969\n      23:32\n               -0330 (Newfoundland Time)\nMessage-ID:              <testabcd.1234@silly.test>\n\nTesting.\n",
			Envelope{Date: "Thu,      13        Feb          1969      23:32               -0330 (Newfoundland Time)", From: []Address{mb("Pete", "pete", "silly.test")},
				To:        []Address{{Kind: AddressGroupStart, Name: "A Group"}, mb("Chris Jones", "c", "public.example"), mb("", "joe", "example.org"), mb("John", "jdoe", "one.test"), {Kind: AddressGroupEnd}},
				Cc:        []Address{{Kind: AddressGroupStart, Name: "Hidden recipients"}, {Kind: AddressGroupEnd}},
				MessageID: "<testabcd.1234@silly.test>"}, "Testing.\r\n"},
		{"A.6.3", "From  : John Doe <jdoe@machine(comment).  example>\nTo    : Mary Smith\n \n          <mary@example.net>\nSubject     : Saying Hello\nDate  : Fri, 21 Nov 1997 09(comment):   55  :  06 -0600\nMessage-ID  : <1234   @   local(blah)  .machine .example>\n\nThis is a message just to say hello.\n",
			Envelope{Date: "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", Subject: "Saying Hello", From: []Address{john}, To: []Address{mary}, MessageID: "<1234   @   local(blah)  .machine .example>"},
			"This is a message just to say hello.\r\n"},
	} {
		msg := crlfed(test.msg)
		p := mustParse(t, msg)
		got := *p.Envelope
		got.present = 0
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got  %+v\nwant %+v", test.name, got, test.want)
		}
		if got := readText(t, msg, p); got != test.body {
			t.Errorf("%s: body %q", test.name, got)
		}
		if p.Envelope.SentDate().IsZero() {
			t.Errorf("%s: no date", test.name)
		}
	}
}

// TestRFC2049Example is the complex multipart of RFC 2049 appendix A.
func TestRFC2049Example(t *testing.T) {
	msg := crlfed(`MIME-Version: 1.0
From: Nathaniel Borenstein <nsb@nsb.fv.com>
To: Ned Freed <ned@innosoft.com>
Date: Fri, 07 Oct 1994 16:15:05 -0700 (PDT)
Subject: A multipart example
Content-Type: multipart/mixed;
              boundary=unique-boundary-1

This is the preamble area of a multipart message.
Mail readers that understand multipart format
should ignore this preamble.

--unique-boundary-1

  ... Some text appears here ...

--unique-boundary-1
Content-type: text/plain; charset=US-ASCII

This could have been part of the previous part.

--unique-boundary-1
Content-Type: multipart/parallel; boundary=unique-boundary-2

--unique-boundary-2
Content-Type: audio/basic
Content-Transfer-Encoding: base64

  ... audio ...

--unique-boundary-2
Content-Type: image/jpeg
Content-Transfer-Encoding: base64

  ... image ...

--unique-boundary-2--

--unique-boundary-1
Content-type: text/enriched

This is <bold><italic>enriched.</italic></bold>

--unique-boundary-1
Content-Type: message/rfc822

From: (mailbox in US-ASCII)
To: (address in US-ASCII)
Subject: (subject in US-ASCII)
Content-Type: Text/plain; charset=ISO-8859-1
Content-Transfer-Encoding: Quoted-printable

  ... Additional text in ISO-8859-1 goes here ...

--unique-boundary-1--
`)
	p := mustParse(t, msg)
	want := `mixed(text/plain"  ... Some text appears here ...\r\n" text/plain"This could have been part of the previous part.\r\n" ` +
		`parallel(audio/basic"  ... audio ...\r\n" image/jpeg"  ... image ...\r\n") text/enriched"This is <bold><italic>enriched.</italic></bold>\r\n" ` +
		`rfc822{text/plain"  ... Additional text in ISO-8859-1 goes here ...\r\n"})`
	if got := shape(p, msg); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m := p.Section([]int{5}).Message
	if m.Charset() != "iso-8859-1" || m.Encoding != "quoted-printable" || m.Envelope.Subject != "(subject in US-ASCII)" || m.Envelope.From != nil {
		t.Errorf("message: %+v", m)
	}
	if p.Unterminated() || p.Section([]int{1}).HasType() || !p.Section([]int{2}).HasType() {
		t.Error("flags")
	}
}

func TestIsAttachment(t *testing.T) {
	for header, want := range map[string]bool{
		"":                                     false,
		"Content-Type: text/plain":             false,
		"Content-Type: text/plain; name=x.txt": true,
		"Content-Type: text/plain\nContent-Disposition: attachment":                         true,
		"Content-Type: text/plain; name=x\nContent-Disposition: inline":                     false,
		"Content-Type: image/png":                                                           true,
		"Content-Type: image/png\nContent-ID: <x>":                                          false,
		"Content-Type: image/png; name=x.png\nContent-Disposition: inline":                  true,
		"Content-Type: image/png\nContent-ID: <x>\nContent-Disposition: inline; filename=x": false,
		"Content-Type: message/rfc822":                                                      true,
		"Content-Type: multipart/mixed; boundary=b":                                         false,
	} {
		if got := mustParse(t, crlfed(strings.TrimSpace(header)+"\n\n")).IsAttachment(); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
