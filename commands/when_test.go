package commands

import (
	"testing"
	"time"
)

// A time is read whole, with its day, its half of the day and its zone, or refused;
// what follows it is the reason.
func TestATimeIsReadWholeOrRefused(t *testing.T) {
	now := time.Date(2026, 11, 27, 14, 10, 0, 0, time.UTC)
	const sees = "users see errors"
	for said, want := range map[string]string{
		"2:05 PM": "27 14:05", "2:05PM": "27 14:05", "1:50 p.m.": "27 13:50", "1:50\u202fp.m.": "27 13:50", "1:50\u202fPM": "27 13:50",
		"2pm": "27 14:00", "2 pm UTC": "27 14:00", "12:30 am": "27 00:30", "12:30 PM": "27 12:30", "9 a.m. UTC,": "27 09:00",
		"13:50 CET": "27 12:50", "13:50 (CET)": "27 12:50", "13:50CET": "27 12:50", "8:50 EST": "27 13:50", "8:50 am est": "27 13:50",
		"13:50 UTC": "27 13:50", "13:50Z": "27 13:50", "13:50 gmt": "27 13:50", "13:50+01:00": "27 12:50", "13:50 +0100": "27 12:50",
		"13:50 UTC+1": "27 12:50", "8:50 \u22125": "27 13:50", "19:20 +05:30": "27 13:50", "14.05": "27 14:05", "1405": "27 14:05", "14:05:30": "27 14:05",
		"yesterday 23:10": "26 23:10", "23:10 yesterday": "26 23:10", "yesterday at 11:10 PM CET": "26 22:10", "today 13:50": "27 13:50",
		"2026-11-26 23:10": "26 23:10", "2026-11-26T23:10Z": "26 23:10", "2026\u201111\u201126 23:10 UTC": "26 23:10", "2026-11-26 23:10 CET": "26 22:10",
		"10 min ago": "27 14:00", "10": "27 14:00", "10m": "27 14:00", "2h": "27 12:10", "2 hours ago": "27 12:10", "1h 30m": "27 12:40", "1 day ago": "26 14:10",
		"~13:50": "27 13:50", "\u200b13:50": "27 13:50",
	} {
		for _, reason := range []string{"", sees} {
			at, rest, some, fault := moment(said+" "+reason, now)
			if !fault.Empty() || !some || at.Format("02 15:04") != want || rest != reason {
				t.Errorf("%q: %s %q %q, want %s", said+" "+reason, at, rest, fault, want)
			}
		}
	}
	for _, said := range []string{
		"13:50 CST", "13:50 IST", "2 PM PT", "13:50 local", "13:50 Europe/Berlin", "13:05 pm", "0:30 pm", "25:00", "23:10", "9999", "4000", "14:5", "14:055",
		"2 weeks", "10 seconds", "yesterday", "half an hour ago", "noon", "monday", "14.05.2026 13:50", "11/26 23:10", "1h30",
		"13:50 o'clock", "13:50 Eastern time", "2 PM Pacific", "10:00 in the morning", "13:50 +25:00", "13:50-14:10", "15:30", "2026-11-28 10:00", "2026-02-30 10:00",
		"10 days ago", "-5", "8:50 p",
	} {
		at, rest, some, fault := moment(said+" "+sees, now)
		if !some || fault.Empty() {
			t.Errorf("%q was read as %s with %q", said, at, rest)
		}
	}
	if _, _, some, _ := moment("the deploy nobody can pay", now); some {
		t.Error("a reason was taken for a time")
	}
	// What is said of a place is no zone.
	for said, reason := range map[string]string{"13:50 west is down": "west is down", "13:50 POST fails": "POST fails", "13:50 a pod fails": "a pod fails"} {
		if _, rest, _, fault := moment(said, now); rest != reason || !fault.Empty() {
			t.Errorf("%q: %q %q", said, rest, fault)
		}
	}
}

// What was typed and what a form carries along come to the same, however long ago.
func TestAnOldBeginningComesThroughTheForm(t *testing.T) {
	for _, since := range []string{"2026-03-03 20:00", "18h", "yesterday 23:10", "13:59"} {
		r := newRoom(t)
		a := r.ask(Ask{Via: by(alice), Verb: "start", Text: "us-west-2 since " + since, CanForm: true})
		if a.Form == nil {
			t.Fatalf("%s: %s", since, shown(a.Text))
		}
		w, err := r.typedRequest(a.Form.On)
		if err != nil || w.began.IsZero() {
			t.Fatalf("%s: carried as %q: %v", since, a.Form.On, err)
		}
		done := r.ask(Ask{Via: by(alice), Verb: "start", On: a.Form.On, Values: map[string]string{"mode": planned, "reason": "drill"}})
		if s := r.state(); done.Refused || s.Declared.Reason != "drill" || !s.Declared.Began.Equal(w.began) {
			t.Errorf("%s: %s", since, shown(done.Text))
		}
	}
}

func TestAStartSaysWhatItUnderstood(t *testing.T) {
	r := newRoom(t)
	a := r.say(alice, "start us-west-2 planned since 1:50\u202fPM users see errors")
	contains(t, a.Text, "since 13:50 UTC")
	if d := r.state().Declared; d.Reason != "users see errors" || d.Began.Format("15:04") != "13:50" {
		t.Errorf("%+v", d)
	}
	r = newRoom(t)
	r.refusedWith(func() Answer { return r.say(alice, "start us-west-2 planned since 13:50 IST users see errors") }, "IST means more than one zone", "14:02 UTC")
}

// Identifiers are compared as they are meant, wherever they are typed.
func TestLookAlikesAreRead(t *testing.T) {
	for _, region := range []string{"us\u2011west\u20112", "us–west–2", "`us-west-2`", "“us-west-2”", "Us-West-2", "ｕｓ－west-2", "us-west-2\u200b", "\u2060us-west-2", "*us-west-2*"} {
		r := newRoom(t)
		if a := r.say(alice, "start "+region+" planned drill"); a.Refused || r.state().Target != "us-west-2" {
			t.Errorf("%q: %s", region, shown(a.Text))
		}
		r = promoting(t)
		if a := r.say(bob, "approve "+region); a.Refused {
			t.Errorf("approve %q: %s", region, shown(a.Text))
		}
		r = promoting(t)
		q := r.state().Open[0]
		if a := r.ask(Ask{Via: by(bob), Verb: "approve", On: q, Values: map[string]string{"confirm": region}}); a.Refused {
			t.Errorf("the form, %q: %s", region, shown(a.Errors["confirm"]))
		}
	}
	r := newRoom(t)
	r.refusedWith(func() Answer { return r.say(alice, "start u\u0455-west-2 planned x") }, "2nd character is U+0455, a Cyrillic letter that looks like s")
	for typed, want := range map[string]string{"st\u200bart x": "start", "‘status’": "status", "break–glass x": "break_glass", "ＳＴＡＴＵＳ": "status", "`go` override": "go_override"} {
		if name, _ := Parse(typed); name != want {
			t.Errorf("Parse(%q) = %q", typed, name)
		}
	}
}
