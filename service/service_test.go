package service

import (
	"strings"
	"testing"
)

// TestUnit has what the reference promises (cli reference, section 4.1), but for what we know
// better: readiness by notification.
func TestUnit(t *testing.T) {
	unit := Unit("/srv/mox", "mail")
	for _, line := range []string{
		"After=network-online.target nss-lookup.target time-sync.target", "Wants=network-online.target", "UMask=007", "LimitNOFILE=65535", "WorkingDirectory=/srv/mox",
		"ExecStart=/srv/mox/mox -config /srv/mox/config/mox.conf serve", "ExecStop=/srv/mox/mox -config /srv/mox/config/mox.conf stop",
		"RestartSec=5s", "Restart=always", "SyslogFacility=mail", "PrivateDevices=yes", "PrivateTmp=yes", "ProtectSystem=strict",
		"ReadWritePaths=/srv/mox/config /srv/mox/data", "ProtectKernelTunables=yes", "ProtectControlGroups=yes", "AmbientCapabilities=",
		"CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_CHOWN CAP_FSETID CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL",
		"NoNewPrivileges=yes", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK", "ProtectProc=invisible", "RestrictNamespaces=yes",
		"RestrictRealtime=yes", "RemoveIPC=yes", "ProtectHostname=yes", "ProtectClock=yes", "ProtectKernelLogs=yes", "ProtectKernelModules=yes",
		"MemoryDenyWriteExecute=yes", "LockPersonality=yes", "DevicePolicy=closed", "SystemCallArchitectures=native", "WantedBy=multi-user.target",
		"ProtectHome=yes", "Type=notify",
	} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("unit lacks %q", line)
		}
	}
	if home := Unit("/home/mox", ""); strings.Contains(home, "\nProtectHome=") || !strings.Contains(home, "the user mox ") {
		t.Errorf("unit for a directory below /home:\n%s", home)
	}
	if Unit("relative", "mox") != "" {
		t.Error("unit with a relative path")
	}
}

// TestNixOS has all that the unit has, in a module.
func TestNixOS(t *testing.T) {
	files, err := Print("nixos", Options{Dir: `/srv/"${x}"`, User: "mail"})
	if err != nil {
		t.Fatal(err)
	}
	module := files[0].Content
	for _, want := range []string{
		`ExecStart = "${cfg.package}/bin/mox -config \"/srv/\\\"$\${x}\\\"/config/mox.conf\" serve";`, `ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";`,
		`users.users.${"mail"} = {`, `home = "/srv/\"\${x}\"";`, `after = [ "network-online.target" "nss-lookup.target" "time-sync.target" ];`,
		`SystemCallFilter = [ "@system-service landlock`, `ProtectSystem = "strict";`, `wantedBy = [ "multi-user.target" ];`,
	} {
		if !strings.Contains(module, want) {
			t.Errorf("module lacks %s:\n%s", want, module)
		}
	}
	for line := range strings.Lines(Unit("/srv/mox", "mail")) {
		if key, _, ok := strings.Cut(line, "="); ok && line[0] != '#' && !strings.Contains(strings.ToLower(module), strings.ToLower(key)+" = ") {
			t.Errorf("module lacks %s", key)
		}
	}
}

// TestQuoting has names that mean something to the files they are in.
func TestQuoting(t *testing.T) {
	const dir = `/srv/a "b" $c 100% <d>`
	for kind, want := range map[string][]string{
		"systemd": {
			`ExecStart="/srv/a \"b\" $$c 100%% <d>/mox" -config "/srv/a \"b\" $$c 100%% <d>/config/mox.conf" serve`, `ReadWritePaths="/srv/a \"b\" $c 100%% <d>/config"`, `WorkingDirectory=/srv/a "b" $c 100%% <d>`,
		},
		"launchd": {`<string>/srv/a "b" $c 100% &lt;d&gt;/mox</string>`},
	} {
		files, err := Print(kind, Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(files[0].Content, w) {
				t.Errorf("%s lacks %s:\n%s", kind, w, files[0].Content)
			}
		}
	}
	for _, kind := range []string{"openrc", "freebsd"} {
		if _, err := Print(kind, Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), `cannot have " " in it`) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestPrint(t *testing.T) {
	for _, kind := range Kinds() {
		files, err := Print(kind, Options{Dir: "/usr/local/mox", Config: "/usr/local/etc/mox", Data: "/var/db/mox"})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		for _, f := range files {
			if strings.Contains(f.Content, "{{") || strings.Contains(f.Content, "<no value>") || !strings.HasSuffix(f.Content, "\n") {
				t.Errorf("%s, %s:\n%s", kind, f.Path, f.Content)
			}
			if f.Path != "/etc/systemd/system/mox.socket" && !strings.Contains(f.Content, "/usr/local/etc/mox/mox.conf") {
				t.Errorf("%s, %s: not with its configuration", kind, f.Path)
			}
		}
	}
	files, err := Print("systemd", Options{Dir: "/srv/mox", Write: []string{"/backup/of mox", "/home/b"}})
	if err != nil || !strings.Contains(files[0].Content, "\nReadWritePaths=/srv/mox/config /srv/mox/data \"/backup/of mox\" /home/b\n") || strings.Contains(files[0].Content, "\nProtectHome=") {
		t.Errorf("%v, unit with another directory to write:\n%s", err, files[0].Content)
	}
	files, err = Print("systemd-socket", Options{Dir: "/mox", Sockets: []string{"192.0.2.1:25", "[2001:db8::1]:25"}, Packets: []string{"192.0.2.1:443"}})
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, line := range []string{"ListenStream=192.0.2.1:25", "ListenStream=[2001:db8::1]:25", "ListenDatagram=192.0.2.1:443", "BindIPv6Only=ipv6-only"} {
		if !strings.Contains(files[0].Content, "\n"+line+"\n") {
			t.Errorf("socket unit lacks %q:\n%s", line, files[0].Content)
		}
	}
	if !strings.Contains(files[1].Content, "\nUser=mox\n") || strings.Contains(files[1].Content, "CAP_") {
		t.Errorf("unprivileged unit:\n%s", files[1].Content)
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		kind string
		o    Options
		want string
	}{
		{"upstart", Options{Dir: "/mox"}, "must be one of systemd, systemd-socket, openrc, freebsd, launchd"},
		{"systemd", Options{}, "absolute path"},
		{"systemd", Options{Dir: "/"}, "absolute path"},
		{"systemd", Options{Dir: "/mox\nExecStartPre=/bin/sh"}, "control characters"},
		{"systemd", Options{Dir: "/mox", User: "a\nb"}, "control characters"},
		{"systemd-socket", Options{Dir: "/mox", User: "a b"}, "name of user"},
		{"systemd-socket", Options{Dir: "/mox", Sockets: []string{"\n"}}, "control characters"},
	} {
		if _, err := Print(tc.kind, tc.o); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc, err, tc.want)
		}
	}
}
