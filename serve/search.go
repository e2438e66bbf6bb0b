package serve

import (
	"context"
	"fmt"
	"io"
	"os"

	"mox/config"
	"mox/doctext"
	"mox/metrics"
	"mox/mlog"
	"mox/search"
)

// documentReaderArg is the command of this program that runs [DocumentReader].
const documentReaderArg = "doctext"

// openSearch opens the full-text index, and starts the process that reads documents, if
// there are programs for it, as long as this one may start others.
func (s *Server) openSearch(snap *config.Snapshot) error {
	c := search.Config{Store: s.Store, Log: mlog.New("search", s.Log), Foreground: &s.foreground}
	if list := snap.Static.DocumentText; len(list) > 0 {
		var err error
		if s.documents, err = s.startDocuments(list); err != nil {
			return err
		}
		c.Documents = s.documents
	}
	var err error
	if s.Search, err = search.New(c); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	for def, value := range map[*metrics.GaugeDef]func(search.Stats) float64{
		&metrics.SearchLag:      func(st search.Stats) float64 { return st.Lag.Seconds() },
		&metrics.SearchWaiting:  func(st search.Stats) float64 { return float64(st.Queued) },
		&metrics.SearchIndexed:  func(st search.Stats) float64 { return float64(st.Messages) },
		&metrics.SearchRebuilds: func(st search.Stats) float64 { return float64(st.Rebuilds) },
		&metrics.SearchFailures: func(st search.Stats) float64 { return float64(st.Failures) },
	} {
		s.Registry.GaugeFunc(*def, func() float64 { return value(s.Search.Stats()) })
	}
	return nil
}

func (s *Server) startDocuments(list []config.DocumentText) (*doctext.Extractor, error) {
	o := doctext.Options{}
	for _, d := range list {
		if _, err := os.Stat(d.Command[0]); err != nil {
			s.Log.Warn("program for the text of documents is not there", "program", d.Command[0], "err", err)
		}
		o.Commands = append(o.Commands, doctext.Command{Types: d.Types, Argv: d.Command})
	}
	argv := s.DocumentReader
	if argv == nil {
		exe, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("finding own executable: %w", err)
		}
		if _, err := os.Stat(selfExe); err == nil {
			exe = selfExe // also where the path is not ours to enter, or has a newer program
		}
		argv = []string{exe, documentReaderArg}
	}
	return doctext.Start(argv[0], argv[1:], o)
}

// DocumentReader is the process that runs the programs of DocumentText in mox.conf: with
// no files but those that programs are made of, and without the network.
func DocumentReader(ctx context.Context, in io.Reader, out io.Writer) error {
	return doctext.Main(ctx, in, out, confineReader)
}
