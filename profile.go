package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
)

// profileFlags are the files that a run's Go profiles go to; empty is none.
type profileFlags struct{ cpu, mem, trace string }

func (f *profileFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&f.cpu, "cpuprof", "", "write a CPU profile to `file`")
	fs.StringVar(&f.mem, "memprof", "", "write a memory profile to `file` at the end")
	fs.StringVar(&f.trace, "trace", "", "write an execution trace to `file`")
}

// around runs fn with the profiles that were asked for.
func (f *profileFlags) around(fn func() error) (rerr error) {
	if f.cpu != "" {
		file, err := os.Create(f.cpu)
		if err != nil {
			return fmt.Errorf("creating cpu profile: %w", err)
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return errors.Join(fmt.Errorf("starting cpu profile: %w", err), file.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			rerr = errors.Join(rerr, file.Close())
		}()
	}
	if f.trace != "" {
		file, err := os.Create(f.trace)
		if err != nil {
			return fmt.Errorf("creating trace: %w", err)
		}
		if err := trace.Start(file); err != nil {
			return errors.Join(fmt.Errorf("starting trace: %w", err), file.Close())
		}
		defer func() {
			trace.Stop()
			rerr = errors.Join(rerr, file.Close())
		}()
	}
	if f.mem != "" {
		defer func() { rerr = errors.Join(rerr, f.writeHeap()) }()
	}
	return fn()
}

func (f *profileFlags) writeHeap() error {
	file, err := os.Create(f.mem)
	if err != nil {
		return fmt.Errorf("creating memory profile: %w", err)
	}
	runtime.GC() // up-to-date statistics
	return errors.Join(pprof.Lookup("allocs").WriteTo(file, 0), file.Close())
}
