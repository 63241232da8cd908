package runbook

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// Each file of testdata/faults is a runbook and, last, the faults it has.
func TestEveryFaultIsToldAtOnceWithItsPlace(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			fsys := archive(t, file)
			faults, err := LintFile(fsys, "r.yaml", catalogue)
			if err != nil {
				t.Fatal(err)
			}
			got := faults.Error() + "\n"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				head, _, _ := strings.Cut(string(data), "-- want --\n")
				if err := os.WriteFile(file, []byte(head+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := fsys["want"]
			if want == nil || len(strings.TrimSpace(string(want.Data))) == 0 {
				t.Fatal("the fixture says no faults")
			}
			if got != string(want.Data) {
				t.Errorf("got\n%s\nwant\n%s", got, want.Data)
			}
			for _, f := range faults {
				if f.Line == 0 || f.Column == 0 || f.File == "" {
					t.Errorf("no place: %s", f)
				}
			}
		})
	}
}

func TestARunbookThatIsNotThereIsNoFault(t *testing.T) {
	s, err := Load(fstest.MapFS{}, "r.yaml")
	if s != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("source %v, error %v", s, err)
	}
	if _, err := LintFile(fstest.MapFS{}, "r.yaml", catalogue); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestFaultsCanBeToldUnderTheNameThatPeopleTyped(t *testing.T) {
	f := Faults{{File: "sections/a.yaml", Line: 12, Column: 7, Text: "wrong"}, {File: "r.yaml", Text: "gone"}}
	want := "templates/runbook/sections/a.yaml:12:7: wrong\ntemplates/runbook/r.yaml: gone"
	if got := f.Under("templates/runbook").Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The file system is rooted in the folder that was typed, so nothing below knows
// the folder; the caller puts it back.
func TestAFileThatIsNotThereIsNamedAsItWasTyped(t *testing.T) {
	dir := t.TempDir()
	_, err := LintFile(os.DirFS(dir), "nope.yaml", catalogue)
	if err == nil || err.Error() != "read runbook nope.yaml: "+syscall.ENOENT.Error() {
		t.Errorf("error %v", err)
	}
	under := Under(err, dir)
	if want := "read runbook " + filepath.Join(dir, "nope.yaml") + ": " + syscall.ENOENT.Error(); under.Error() != want {
		t.Errorf("got  %v\nwant %s", under, want)
	}
	if !errors.Is(under, fs.ErrNotExist) {
		t.Errorf("%v no longer says that it is not there", under)
	}
	if got := Under(Faults{{File: "r.yaml", Text: "gone"}}, "dir").Error(); got != "dir/r.yaml: gone" {
		t.Errorf("faults: %s", got)
	}
	if other := errors.New("mode"); !errors.Is(Under(other, "dir"), other) {
		t.Error("another error was changed")
	}
}

// Each broken rule on its own: the runbook without faults, changed in one place.
func TestOneChangeMakesOneKindOfFault(t *testing.T) {
	for _, c := range []struct {
		name, old, new, want string
	}{
		{"DNS without the database", "needs: [smoke]\n        gate", "needs: [targets]\n        gate", `step "flip-dns" moves users, but in mode planned it does not need the database`},
		{"takeover without the target groups", "uses: elb.healthy\n    needs: [probe]", "uses: people.confirm\n    needs: [probe]", `step "take-over" moves users, but in mode unplanned it does not need healthy target groups`},
		{"the Region being left is waited for", "gate: advice\n    with", "with", `in mode unplanned step "fence" would need the Region being left (kube.fence calls source)`},
		{"a DNS change in us-east-1 while it is lost", "uses: takeover.put", "uses: dns.flip\n        with: {record: a}", `step "take-over" would need the Region being left (dns.flip calls us-east-1)`},
		{"no approval before the cache", "expires: 15m, covers: [cache]}\n    timeout", "expires: 15m}\n    timeout", `cache.promote is a point of no return, and in mode unplanned no approval covers step "cache"`},
		{"a covered step that has to come first", "needs: [fence]\n    approval: {by: approver, confirm: region, expires: 15m, covers: [cache]}", "needs: [fence]\n    approval: {by: approver, confirm: region, expires: 15m, covers: [cache, fence]}", `step "fence" is covered by the approval of "switch", which needs it`},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := archive(t, "testdata/whole.txt")
			changed := 0
			for name, f := range fsys {
				if strings.Contains(string(f.Data), c.old) {
					fsys[name] = &fstest.MapFile{Data: []byte(strings.Replace(string(f.Data), c.old, c.new, 1))}
					changed++
				}
			}
			if changed != 1 {
				t.Fatalf("changed %d files", changed)
			}
			faults, err := LintFile(fsys, "failover.yaml", catalogue)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(faults, func(f Fault) bool { return strings.Contains(f.Text, c.want) }) {
				t.Errorf("got\n%v\nwant one with\n%s", faults, c.want)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/whole.txt") {
		for _, one := range archive(f, file) {
			f.Add(one.Data)
		}
	}
	for _, s := range []string{"", "a: &a [*a]", "? {a: b}\n: c", "<<: {a: b}", "runbook: r\nsections: [{steps: [{}, 1, [], {id: {}}]}]", "\xff\xfe", "%YAML 9.9\n---\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "range") {
			t.Skip("a loop over a huge number only takes long")
		}
		fsys := fstest.MapFS{"r.yaml": {Data: data}, "sections/a.yaml": {Data: data}}
		s, err := Load(fsys, "r.yaml")
		if s == nil {
			t.Fatalf("no source: %v", err)
		}
		faults := s.Lint(catalogue)
		if err != nil && len(faults) == 0 {
			t.Errorf("load says %v, lint says nothing", err)
		}
		if _, cerr := s.Compile(catalogue, facts("planned")); err != nil && cerr == nil {
			t.Errorf("load says %v, compile says nothing", err)
		}
	})
}

// A gate that a person may go past says what that comes to.
func TestAGateThatGoMayPassSaysWhatItComesTo(t *testing.T) {
	for with, fault := range map[string]bool{"nothing": true, "without": false, "locked": false, "advice": false} {
		p := &Plan{Steps: []Step{
			{ID: "seen", Group: "seen", Kind: Check, Gate: Required},
			{ID: "go", Group: "go", Kind: Go, Gate: Required, Needs: []string{"seen"}},
		}}
		switch with {
		case "without":
			p.Steps[0].Without = "Users may meet errors."
		case "locked":
			p.Steps[0].Locked = true
		case "advice":
			p.Steps[0].Gate = Advice
		}
		c := &compiler{groups: map[string]*step{"seen": {}, "go": {}}}
		c.unsaid(p)
		if (len(c.faults) > 0) != fault {
			t.Errorf("%q: %v", with, c.faults)
		}
	}
}
