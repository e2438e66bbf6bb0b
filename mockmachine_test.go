package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"mox/dns"
	"mox/quickstart"
)

// mockMachine is what file $MOCKMACHINE says about the machine, for quickstart.
type mockMachine struct {
	Hostname   string
	Interfaces map[string][]netip.Addr
	Listening  []quickstart.Socket
	Dial       string // error, or greeting if it begins with a digit
	Registered int    // days ago
	Users      []string
	OS         string
	Program    string
}

func readMockMachine(name string) (*quickstart.Machine, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var m mockMachine
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &quickstart.Machine{
		Hostname: func() (string, error) { return m.Hostname, nil },
		Interfaces: func() ([]quickstart.Interface, error) {
			var l []quickstart.Interface
			for name, addrs := range m.Interfaces {
				l = append(l, quickstart.Interface{Name: name, Addrs: addrs})
			}
			return l, nil
		},
		Listening:    func() ([]quickstart.Socket, error) { return m.Listening, nil },
		Dial:         m.dial,
		Synchronised: func() (bool, bool) { return true, true },
		DomainAge: func(context.Context, dns.Domain) (time.Time, time.Time, error) {
			return time.Now().AddDate(0, 0, -m.Registered), time.Now(), nil
		},
		Memory:    func() (uint64, bool) { return 1 << 30, true },
		Disk:      func(string) (uint64, bool) { return 20 << 30, true },
		OpenFiles: func() (uint64, bool) { return 65535, true },
		HasUser:   func(name string) bool { return slices.Contains(m.Users, name) },
		IsRoot:    func() bool { return true },
		OS:        m.OS, Program: m.Program,
	}, nil
}

func (m *mockMachine) dial(context.Context, string, string) (net.Conn, error) {
	if m.Dial == "" || m.Dial[0] < '0' || m.Dial[0] > '9' {
		return nil, errors.New(m.Dial)
	}
	ours, theirs := net.Pipe()
	go func() {
		io.WriteString(theirs, m.Dial+"\r\n")
		io.Copy(io.Discard, theirs)
		theirs.Close()
	}()
	return ours, nil
}
