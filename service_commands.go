package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mox/admin"
	"mox/config"
	"mox/serve"
	"mox/service"
)

func serviceCommands() []command {
	return []command{
		{words: "config printservice", prints: printsText, short: "print the service file of systemd or of another service manager", max: 0, setup: setupPrintService, help: printServiceHelp},
	}
}

const printServiceHelp = `
Kinds: "systemd" is a unit that begins as root; "systemd-socket" a pair of a socket unit, with
the addresses of the listeners in mox.conf, and a unit that never has root; "openrc", "freebsd"
and "launchd" are for other service managers; "nixos" is a module for NixOS with the same unit.

The files name the directory of mox, which has the program, and those of configuration and data.
Without mox.conf, data is expected in a directory "data" beside that of the configuration, and the
socket unit has the usual ports on all addresses.

To install the first kind:

	mox config printservice >/etc/systemd/system/mox.service
	systemctl daemon-reload
	systemctl enable --now mox`

func setupPrintService(fs *flag.FlagSet) runFunc {
	kind := fs.String("kind", service.Kinds()[0], "`kind` of file: "+strings.Join(service.Kinds(), ", "))
	dir := fs.String("dir", "", "`directory` with the program mox (default: the one above that of mox.conf)")
	binary := fs.String("program", "", "the `program` mox, where it is not in -dir")
	out := fs.String("out", "", "`directory` to write the files to, where they must not be yet, instead of printing them")
	return func(_ context.Context, p *program, _ []string) error {
		o, err := p.serviceOptions(*dir)
		if err != nil {
			return err
		}
		o.Program = *binary
		files, err := service.Print(*kind, o)
		if err != nil {
			return err
		}
		if *out != "" {
			return writeServiceFiles(*out, files)
		}
		for _, f := range files {
			if len(files) > 1 {
				fmt.Fprintf(p.stdout, "### %s\n", f.Path)
			}
			fmt.Fprint(p.stdout, f.Content)
		}
		return nil
	}
}

// serviceOptions says where the service is, from mox.conf as far as there is one.
func (p *program) serviceOptions(dir string) (service.Options, error) {
	path, err := filepath.Abs(p.configPath)
	if err != nil {
		return service.Options{}, err
	}
	o := service.Options{Config: filepath.Dir(path)}
	if dir == "" {
		dir = filepath.Dir(o.Config)
	}
	if o.Dir, err = filepath.Abs(dir); err != nil {
		return o, err
	}
	snap, err := config.LoadOptions(path, config.Options{SkipFiles: true})
	if errors.Is(err, fs.ErrNotExist) {
		o.Data = filepath.Join(filepath.Dir(o.Config), "data")
		return o, nil
	} else if err != nil {
		return o, err
	}
	o.User, o.Data, o.Sockets = snap.Static.User, snap.DataPath("."), serve.Sockets(snap)
	if place, ok := admin.BackupPlace(snap); ok && place.IsDirectory() {
		o.Write = append(o.Write, place.Repository)
	}
	return o, nil
}

// writeServiceFiles makes new files, named as they have to be.
func writeServiceFiles(dir string, files []service.File) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		mode := fs.FileMode(0o644)
		if f.Executable {
			mode = 0o755
		}
		w, err := os.OpenFile(filepath.Join(dir, filepath.Base(f.Path)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		_, err = w.WriteString(f.Content)
		if err := errors.Join(err, w.Close()); err != nil {
			return err
		}
	}
	return nil
}
