package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"mox/dns"
	"mox/dnsrecords"
	"mox/quickstart"
)

// form is what the person fills in, as text.
type form struct {
	Address, Hostname, User, PublicIPs   string
	ExistingWebserver, SkipDial, Offline bool
}

func newForm(o quickstart.Options) form {
	f := form{Address: o.Address, Hostname: o.Hostname, User: o.User, ExistingWebserver: o.ExistingWebserver, SkipDial: o.SkipDial, Offline: o.Offline}
	if f.User == "" {
		f.User = "mox"
	}
	var ips []string
	for _, ip := range o.PublicIPs {
		ips = append(ips, ip.String())
	}
	f.PublicIPs = strings.Join(ips, " ")
	return f
}

func readForm(r *http.Request) form {
	text := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	on := func(name string) bool { return r.PostFormValue(name) != "" }
	return form{text("address"), text("hostname"), text("user"), text("publicips"), on("existing"), on("skipdial"), on("offline")}
}

// options makes options of the form.
func (f form) options(o quickstart.Options) (quickstart.Options, error) {
	o.Address, o.Hostname, o.User, o.ExistingWebserver, o.SkipDial, o.Offline = f.Address, f.Hostname, f.User, f.ExistingWebserver, f.SkipDial, f.Offline
	o.PublicIPs = nil
	for field := range strings.FieldsFuncSeq(f.PublicIPs, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == ';' }) {
		ip, err := quickstart.ParsePublicIP(field)
		if err != nil {
			return o, err
		}
		o.PublicIPs = append(o.PublicIPs, ip)
	}
	return o, nil
}

// view is what pages are made from.
type view struct {
	Title, Nonce, Form, End, Text string
	Problem                       string
	Input                         form
	Checks                        []checkFound
	Waiting                       []quickstart.Check
	Problems                      int
	Worse, Good                   []titled
	Zone                          string
	Plan                          *quickstart.Plan
	IPs, NATIPs                   []netip.Addr
	Result                        *quickstart.Result
	Clients                       []quickstart.Client
	Username                      string
	Sections                      []recordSection
	There, Total                  int
	Snippets                      []quickstart.Snippet
	Steps                         []quickstart.Step
	Dir                           string
}

// titled is a finding with the title of its check.
type titled struct {
	quickstart.Finding
	Title string
}

// sortFindings puts the worst first, and those that are good apart.
func sortFindings(all []checkFound) (worse, good []titled) {
	for _, level := range []quickstart.Level{quickstart.Problem, quickstart.Warning, quickstart.Note, quickstart.OK} {
		for _, c := range all {
			for _, f := range c.Found {
				switch {
				case f.Level != level:
				case level == quickstart.OK:
					good = append(good, titled{f, c.Title})
				default:
					worse = append(worse, titled{f, c.Title})
				}
			}
		}
	}
	return worse, good
}

type recordSection struct {
	Name   string
	Groups []recordGroup
}

// recordGroup is records with one purpose.
type recordGroup struct {
	Purpose string
	Records []recordView
}

type recordView struct {
	dnsrecords.Record
	Index  int
	Looked *recordLooked
	When   string
}

// show shows the page of the step that the person is at.
func (s *Server) show(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	v := view{Title: "mox setup", Input: s.form1, Problem: s.problem, Checks: s.found, Plan: s.plan, Result: s.result}
	s.problem = ""
	phase := s.phase
	if s.result != nil {
		v.Sections, v.There, v.Total = s.recordSections()
	}
	s.mu.Unlock()
	switch phase {
	case asking:
		s.render(w, http.StatusOK, "ask.html", v)
	case looking:
		v.Waiting = quickstart.Checks()[min(checksDone(v.Checks), len(quickstart.Checks())):]
		s.render(w, http.StatusOK, "look.html", v)
	case planned:
		v.Problems = v.Plan.Problems()
		v.Worse, v.Good = sortFindings(v.Checks)
		s.render(w, http.StatusOK, "plan.html", v)
	case secrets:
		var err error
		if v.Clients, v.Username, err = v.Result.Clients(); err != nil {
			s.Log.Error("making settings", "err", err)
		}
		s.render(w, http.StatusOK, "secrets.html", v)
	case records:
		var err error
		if v.Snippets, err = v.Result.Plan.Snippets(); err != nil {
			s.Log.Error("making snippets", "err", err)
		}
		var zone strings.Builder
		if err := dnsrecords.WriteZone(&zone, v.Result.Records); err != nil {
			s.Log.Error("writing zone", "err", err)
		}
		v.Zone = zone.String()
		v.Steps, v.Dir = v.Result.Steps(), v.Result.Plan.Dir()
		s.render(w, http.StatusOK, "records.html", v)
	}
}

// checksDone is how many checks are through, those that said nothing included.
func checksDone(found []checkFound) int {
	if len(found) == 0 {
		return 0
	}
	last := found[len(found)-1].Name
	for i, c := range quickstart.Checks() {
		if c.Name == last {
			return i + 1
		}
	}
	return 0
}

// look begins to look at the machine.
func (s *Server) look(w http.ResponseWriter, r *http.Request) {
	f := readForm(r)
	o, err := f.options(s.Options)
	if err == nil {
		err = quickstart.CheckNew(o)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer http.Redirect(w, r, "/", http.StatusSeeOther)
	if s.phase != asking && s.phase != planned {
		return
	}
	s.form1, s.found, s.plan = f, nil, nil
	if err != nil {
		s.phase, s.problem = asking, sentence(err)
		return
	}
	s.phase = looking
	o.Found = func(c quickstart.Check, l []quickstart.Finding) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.found = append(s.found, checkFound{c, l})
	}
	s.wg.Go(func() { s.survey(o) })
}

func (s *Server) survey(o quickstart.Options) {
	plan, err := quickstart.Survey(s.ctx, o)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.phase, s.problem = asking, sentence(err)
		return
	}
	s.phase, s.plan = planned, plan
}

// back shows the first form again.
func (s *Server) back(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.phase == planned {
		s.phase = asking
	}
	s.mu.Unlock()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// write makes the installation.
func (s *Server) write(w http.ResponseWriter, r *http.Request) {
	defer http.Redirect(w, r, "/", http.StatusSeeOther)
	s.mu.Lock()
	plan, found := s.plan, s.found
	if s.phase != planned {
		s.mu.Unlock()
		return
	}
	s.phase = looking // a second press of the button does nothing
	s.mu.Unlock()
	result, err := writeAll(s.ctx, plan, found)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.phase, s.problem = planned, sentence(err)
		return
	}
	s.phase, s.result = secrets, result
	s.Log.Info("installation was made", "dir", plan.Dir())
}

// writeAll writes the same as "mox quickstart", the log too.
func writeAll(ctx context.Context, plan *quickstart.Plan, found []checkFound) (*quickstart.Result, error) {
	result, err := plan.Write(ctx)
	if err != nil {
		return nil, err
	}
	var log bytes.Buffer
	fmt.Fprintf(&log, "# What was found\n\n")
	for _, c := range found {
		if err := quickstart.PrintFindings(&log, c.Check, c.Found); err != nil {
			return nil, err
		}
	}
	if err := result.Print(&log); err != nil {
		return nil, err
	}
	return result, result.WriteLog(log.Bytes())
}

// kept forgets the passwords.
func (s *Server) kept(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.phase == secrets {
		without := *s.result
		without.AdminPassword, without.AccountPassword = "", ""
		s.phase, s.result = records, &without
	}
	s.mu.Unlock()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// record looks up one record again, or all.
func (s *Server) record(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	result := s.result
	s.mu.Unlock()
	at := r.PostFormValue("index")
	if result == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	i, err := strconv.Atoi(at)
	one := err == nil && i >= 0 && i < len(result.Records)
	resolver := s.Options.Resolver
	if s.Fresh != nil {
		resolver = s.Fresh
	}
	ctx, cancel := context.WithTimeout(r.Context(), 15*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for j, rec := range result.Records {
		if one && j != i || rec.Value == "" {
			continue
		}
		wg.Go(func() { s.lookUp(ctx, resolver, j, rec) })
	}
	wg.Wait()
	if one {
		http.Redirect(w, r, "/#record"+strconv.Itoa(i), http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, "/#records", http.StatusSeeOther)
}

func (s *Server) lookUp(ctx context.Context, resolver dns.Resolver, i int, rec dnsrecords.Record) {
	l := recordLooked{quickstart.LookUpRecord(ctx, resolver, rec), s.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked[i] = l
}

// recordSections groups the records for the page, and counts those that are there. s.mu is
// held.
func (s *Server) recordSections() (sections []recordSection, there, total int) {
	for i, rec := range s.result.Records {
		v := recordView{Record: rec, Index: i}
		if l, ok := s.looked[i]; ok {
			v.Looked, v.When = &l, l.At.Format("15:04:05")
		}
		if rec.Precondition == "" {
			total++
			if v.Looked != nil && v.Looked.State == quickstart.RecordThere {
				there++
			}
		}
		if n := len(sections); n == 0 || sections[n-1].Name != rec.Section {
			sections = append(sections, recordSection{Name: rec.Section})
		}
		sec := &sections[len(sections)-1]
		if n := len(sec.Groups); n == 0 || sec.Groups[n-1].Purpose != rec.Purpose {
			sec.Groups = append(sec.Groups, recordGroup{Purpose: rec.Purpose})
		}
		g := &sec.Groups[len(sec.Groups)-1]
		g.Records = append(g.Records, v)
	}
	return sections, there, total
}

// finish ends it.
func (s *Server) finish(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	first := s.phase == records
	var steps []quickstart.Step
	if first {
		s.phase = ended
		steps = s.result.Steps()
	}
	s.mu.Unlock()
	if !first {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.render(w, http.StatusOK, "end.html", view{Title: "mox setup", Steps: steps})
	close(s.done)
}

// sentence is an error as text for people.
func sentence(err error) string {
	text := err.Error()
	if errors.Is(err, quickstart.ErrResolver) {
		text += " here: tick \"ask nobody\""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
