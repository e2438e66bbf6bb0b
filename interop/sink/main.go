// Sink is an SMTP server that takes everything and keeps account of it, for the interop
// suites. It knows of each message whether its final reply can have been read.
//
//	sink ip:port accounts
//
// For each message it adds a line of JSON to the file with accounts, once it knows how the
// connection went on. It prints a line once it listens, and runs until it is killed.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// account is what is kept of a message.
type account struct {
	ID      string // of its Message-ID field, without the brackets
	To      string
	Replied float64 // when the final reply was written, seconds since 1970
	// How it went on: "more" (another command came), "cut" (none came, the reply may not
	// have been read), "unsent" (the reply could not be written).
	After string
}

type sink struct {
	mu  sync.Mutex // guards out
	out *json.Encoder
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sink ip:port accounts")
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "sink:", run(os.Args[1], os.Args[2]))
	os.Exit(1)
}

// run serves until something fails.
func run(addr, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println("listening on", addr)
	s := &sink{out: json.NewEncoder(f)}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go s.serve(conn)
	}
}

func (s *sink) add(a *account, after string) {
	a.After = after
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.out.Encode(a); err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
}

// session is one connection.
type session struct {
	conn net.Conn
	r    *bufio.Reader
	to   string
	last *account // accepted, and nothing heard since
}

func (s *sink) serve(conn net.Conn) {
	defer conn.Close()
	c := &session{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
	if !c.reply("220 sink.test ESMTP") {
		return
	}
	for {
		conn.SetDeadline(time.Now().Add(5 * time.Minute))
		line, err := c.r.ReadString('\n')
		if c.last != nil {
			if err != nil {
				s.add(c.last, "cut")
			} else {
				s.add(c.last, "more")
			}
			c.last = nil
		}
		if err != nil || !s.command(c, strings.TrimSpace(line)) {
			return
		}
	}
}

// command carries out a command, and returns whether the session goes on.
func (s *sink) command(c *session, line string) bool {
	verb, arg, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		return c.reply("250-sink.test\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES")
	case "MAIL", "RSET", "NOOP":
		c.to = ""
		return c.reply("250 2.0.0 ok")
	case "RCPT":
		_, path, _ := strings.Cut(arg, "<")
		path, _, _ = strings.Cut(path, ">")
		c.to += path + " "
		return c.reply("250 2.1.5 ok")
	case "DATA":
		return s.data(c)
	case "QUIT":
		c.reply("221 2.0.0 bye")
		return false
	}
	return c.reply("502 5.5.1 unknown")
}

func (s *sink) data(c *session) bool {
	if !c.reply("354 go on") {
		return false
	}
	a := &account{To: strings.TrimSpace(c.to)}
	header := true
	for {
		line, err := c.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		} else if err != nil {
			return false // not accepted
		}
		if len(line) == 3 && line[0] == '.' {
			break
		}
		header = header && len(line) > 2
		if name, value, ok := bytes.Cut(line, []byte(":")); header && ok && strings.EqualFold(string(name), "Message-ID") {
			a.ID = strings.Trim(string(value), "<> \t\r\n")
		}
	}
	a.Replied = float64(time.Now().UnixMicro()) / 1e6
	if !c.reply("250 2.0.0 accepted") {
		s.add(a, "unsent")
		return false
	}
	c.last = a
	return true
}

func (c *session) reply(text string) bool {
	_, err := c.conn.Write([]byte(text + "\r\n"))
	return err == nil
}
