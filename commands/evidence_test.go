package commands

import (
	"errors"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident/evidence"
)

func TestSinceIsADayOrHowLongAgo(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"": {}, "2026-01-31": time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), "90d": now.AddDate(0, 0, -90), "1d": now.AddDate(0, 0, -1),
	} {
		if got, err := Since(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"yesterday", "0d", "31.1.2026", "2026-02-30", "2026-03-15", "-1d", "90"} {
		if got, err := Since(s, now); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

// Whoever asks gets what is proven in a few lines, what is not by name, and all of it as a
// file.
func TestTheEvidenceIsAFileAndAFewLines(t *testing.T) {
	r := started(t)
	contains(t, r.say(alice, "evidence").Text, "No evidence is set up here")
	var asked *evidence.Report
	r.Evidence = func(r *evidence.Report) (File, error) {
		asked = r
		return File{Name: "failback-evidence.html", Content: []byte("x")}, nil
	}
	a := r.say(dave, "evidence since 30d")
	contains(t, a.Text, "0 of 36 bullets are proven", "by 1 run of 1 incident", "pre.1, not tested", "and ", "more in the file")
	if a.File == nil || asked == nil || len(asked.Runs) != 1 || asked.Since.IsZero() {
		t.Errorf("file %v, report %+v", a.File, asked)
	}
	contains(t, r.say(dave, "evidence tomorrow").Text, "is no day", "Nothing was done")
	r.Evidence = func(*evidence.Report) (File, error) { return File{}, errors.New("the template has a fault") }
	contains(t, r.say(dave, "evidence").Text, "could not be written: the template has a fault", "Nothing on the record is lost")
}

func playEvidence(t *testing.T, tr *transcript) {
	r := tr.in("an auditor asks", started(t))
	tr.says(alice, "evidence")
	page := func(*evidence.Report) (File, error) {
		return File{Name: "failback-evidence.html", Content: []byte("x")}, nil
	}
	r.Evidence = page
	tr.says(alice, "evidence tomorrow")
	tr.says(dave, "evidence since 30d")
	r.log.fail["Read"] = true
	tr.says(dave, "evidence")
	delete(r.log.fail, "Read")
	r.Evidence = func(*evidence.Report) (File, error) { return File{}, errors.New("the template has a fault") }
	tr.says(dave, "evidence")
}
