package message

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestHTMLText(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"<p>One</p><p>Two</p>", "One\nTwo"},
		{"a<br>b<BR/>c", "a\nb\nc"},
		{"a <b>bold</b><i>it</i>  c\n\n d", "a boldit c d"},
		{"<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1 2\n3"},
		{"<ul><li>a<li>b</ul>", "a\nb"},
		{"<pre>a\n  b</pre>c", "a\nb\nc"},
		{"<html><head><title>T</title><style>p { x: y }</style></head><body>x</body></html>", "x"},
		{"a<script>if (a < b) { \"</p>\" }</script>b", "ab"},
		{"a<SCRIPT src=x></Script >b", "ab"},
		{"a<style>unclosed", "a"},
		{"a<!-- comment > --b -->c<!---->d<!-->e", "acde"},
		{"<!DOCTYPE html><?xml x?>a", "a"},
		{"<!--[if mso]>hidden<![endif]--><![if !mso]>shown<![endif]>", "shown"},
		{"&lt;&amp;&gt;&eacute;&#233;&#xe9;&nbsp;x&unknown;&amp", "<&>ééé x&unknown;&"},
		{"a & b &c", "a & b &c"},
		{"1 < 2 <3 a<>b", "1 < 2 <3 a<>b"},
		{`a<span style="display: none">x<span>y</span></span>b`, "ab"},
		{`a<div style='DISPLAY:NONE !important'>x</div>b`, "a\nb"},
		{`<div style="max-height:0;overflow:hidden">x</div>b`, "b"},
		{`<div style="line-height:0;height:0">x</div><p style="font-size:0.9em">y</p><p style="opacity:0.5">z</p>`, "x\ny\nz"},
		{`<p hidden>x</p>y<p hidden=hidden>z<p>shown`, "y\nshown"},
		{`<p style="display:none">x<div>y</div>`, "y"},
		{`<input hidden>a<br style="display:none">b`, "a\nb"},
		{`<div style="display:none">x</body>y`, "y"},
		{`<img src="data:image/png;base64,` + strings.Repeat("QUJD", 100_000) + `" alt="x">after`, "after"},
		{`<a href="x>y" title='a"b>c'>link</a>`, "link"},
		{"<a href=x>link</a", "link"},
		{"<svg><text>x</text></svg>a<template>b</template>c", "ac"},
		{"<" + strings.Repeat("x", 10_000) + ">a", "a"},
		{"</p>a</3>b", "ab"},
		{"a\u200bb", "a\u200bb"},
	} {
		for _, r := range []io.Reader{strings.NewReader(test.in), iotest.OneByteReader(strings.NewReader(test.in))} {
			b, err := io.ReadAll(HTMLText(r))
			if err != nil || string(b) != test.want {
				t.Errorf("%.80q: %q %v, want %q", test.in, b, err, test.want)
			}
		}
	}
	if _, err := io.ReadAll(HTMLText(iotest.ErrReader(io.ErrClosedPipe))); err != io.ErrClosedPipe {
		t.Errorf("error of the reader: %v", err)
	}
}

func TestPreview(t *testing.T) {
	html := "Content-Type: text/html; charset=utf-8\n\n"
	for _, test := range []struct{ name, msg, want string }{
		{"empty", "", ""},
		{"plain", "Subject: x\n\nHello,\n\n  this   is\tit.\n", "Hello, this is it."},
		{"no text", "Content-Type: image/png\n\nx", ""},
		{"attachment", "Content-Type: text/plain\nContent-Disposition: attachment\n\nx", ""},
		{"quotes", "\nOn Monday, A wrote:\n> quoted\n> more\n\nMy answer.\n-- \nSignature", "My answer."},
		{"introduction after answer", "\nYes.\n\nAm Montag schrieb B:\n\n> q\n", "Yes."},
		{"colon that is no introduction", "\nThe list:\n- one\n", "The list: - one"},
		{"only quotes", "\n> quoted\n", "> quoted"},
		{"original message", "\nFine.\n-----Original Message-----\nFrom: x\n", "Fine."},
		{"rule", "\n=========\nTitle\n---------\ntext\n", "Title text"},
		{"signed", "\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nHello\n-----BEGIN PGP SIGNATURE-----\nabc\n", "Hello"},
		{"html", html + "<style>x</style><p>Hello <b>you</b></p><p>there", "Hello you there"},
		{"html quote", html + "<div>Answer</div><div class=\"gmail_quote\">On x wrote<blockquote>old</blockquote></div>", "Answer"},
		{"html only quote", html + "<blockquote>old</blockquote>", "old"},
		{"preheader", html + "<div style=\"display:none\">Pre</div><div>Text&nbsp;&zwnj;&nbsp;&#847; &#8203;&shy; &zwnj;more</div>", "Text more"},
		{"joiners kept", html + "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"},
		{"alternative", "Content-Type: multipart/alternative; boundary=b\n\n--b\n\nplain\n--b\nContent-Type: text/html\n\n<p>html\n--b--", "plain"},
		{"empty alternative", "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n \n--b\nContent-Type: text/html\n\n<p>html\n--b--", "html"},
		{"forward", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\ninner\n--b\n\nouter\n--b--", "outer"},
		{"only forward", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\ninner\n--b--", "inner"},
		{"encrypted", "Content-Type: multipart/encrypted; boundary=b\n\n--b\n\nVersion: 1\n--b--", ""},
		{"base64", "Content-Transfer-Encoding: base64\n\nSGVsbG8=\n", "Hello"},
		{"characters", "Content-Type: text/plain; charset=utf-8\n\n" + strings.Repeat("é", 300), strings.Repeat("é", 200)},
		{"words", "\n" + strings.Repeat("x", 199) + " yy", strings.Repeat("x", 199)},
		{"long line", "\n" + strings.Repeat("ab ", 5000), strings.TrimSpace(strings.Repeat("ab ", 67)[:200])},
	} {
		msg := crlfed(test.msg)
		p := mustParse(t, msg)
		if got := Preview(p, strings.NewReader(msg)); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
