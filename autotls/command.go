package autotls

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// commandTimeout is for a program that changes a DNS record.
const commandTimeout = 2 * time.Minute

// maxCommandLine bounds what the processes say to each other.
const maxCommandLine = 64 * 1024

// Commands are Records by a program that is run for each change. As the server may not start
// programs once it is confined, a process that was started before does it ([RunCommands]). Make
// one with [StartCommands].
type Commands struct {
	mu  sync.Mutex // held while a program runs
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err error // why the process is of no use any more
}

// commandRequest is a line to the process, commandResult one from it.
type commandRequest struct{ Args []string }
type commandResult struct{ Error string }

// StartCommands starts exe with args, and argv after that, which is to call [RunCommands] with
// argv, the program to run and its arguments.
func StartCommands(exe string, args, argv []string) (*Commands, error) {
	cmd := exec.Command(exe, append(append([]string{}, args...), argv...)...)
	cmd.Stderr = os.Stderr
	cmd.Env = commandEnv()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe to the process that runs commands: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe from the process that runs commands: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the process that runs commands: %w", err)
	}
	return &Commands{cmd: cmd, in: in, out: bufio.NewReaderSize(out, maxCommandLine)}, nil
}

func commandEnv() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/"}
}

// Close ends the process, which ends the program that it may run.
func (c *Commands) Close() error {
	// It ends by that.
	_ = c.in.Close()
	done := make(chan error, 1)
	go func() { done <- c.cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		_ = c.cmd.Process.Kill()
		<-done
	}
	return nil
}

// Set implements [Records].
func (c *Commands) Set(ctx context.Context, name, value string) error {
	return c.run(ctx, "set", name, value)
}

// Unset implements [Records].
func (c *Commands) Unset(ctx context.Context, name, value string) error {
	return c.run(ctx, "unset", name, value)
}

func (c *Commands) run(ctx context.Context, args ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	line, err := json.Marshal(commandRequest{args})
	if err != nil {
		return err
	}
	var r commandResult
	if _, err = c.in.Write(append(line, '\n')); err == nil {
		// The program has its own limit of time.
		if line, err = c.out.ReadSlice('\n'); err == nil {
			err = json.Unmarshal(line, &r)
		}
	}
	if err != nil {
		c.err = fmt.Errorf("the process that runs commands has ended, which needs a restart of the server: %w", err)
		return c.err
	}
	if r.Error != "" {
		return errors.New(r.Error)
	}
	return nil
}

// RunCommands is the process that runs a program, argv, once for each line of in, and ends with
// in.
func RunCommands(ctx context.Context, argv []string, in io.Reader, out io.Writer) error {
	if len(argv) == 0 {
		return errors.New("no program to run")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan []byte)
	go func() {
		// The end of in ends what runs.
		defer cancel()
		defer close(lines)
		s := bufio.NewScanner(in)
		s.Buffer(nil, maxCommandLine)
		for s.Scan() {
			select {
			case lines <- append([]byte{}, s.Bytes()...):
			case <-ctx.Done():
				return
			}
		}
	}()
	for line := range lines {
		var r commandRequest
		var result commandResult
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if err := runCommand(ctx, argv, r.Args); err != nil {
			result.Error = err.Error()
		}
		answer, err := json.Marshal(result)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(answer, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// runCommand runs a program. What it says is in the error if it fails.
func runCommand(ctx context.Context, argv, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], append(append([]string{}, argv[1:]...), args...)...)
	cmd.Env = commandEnv()
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	said := &head{}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if text := strings.TrimSpace(strings.ToValidUTF8(string(said.data), "?")); text != "" {
		return fmt.Errorf("%s %s: %w: %s", argv[0], strings.Join(args[:min(len(args), 2)], " "), err, text)
	}
	return fmt.Errorf("%s %s: %w", argv[0], strings.Join(args[:min(len(args), 2)], " "), err)
}

// head keeps the beginning of what is written.
type head struct{ data []byte }

func (h *head) Write(p []byte) (int, error) {
	const limit = 1000
	h.data = append(h.data, p[:min(len(p), limit-len(h.data))]...)
	return len(p), nil
}
