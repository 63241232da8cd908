package text

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 3, 4, 15, 2, 31, 0, time.FixedZone("CET", 3600))

// kinds shows what a text is made of.
func kinds(t Text) string {
	names := map[Kind]string{
		Words: "words", Value: "value", Quoted: "quoted", Prose: "prose", Name: "name", Typed: "typed",
		Order: "order", Code: "code", Strong: "strong", Moment: "moment", Block: "block",
	}
	var out []string
	for s := range t.Spans() {
		shown := s.Text
		if s.Kind == Moment {
			shown = s.Precision.UTC(s.Time)
		}
		out = append(out, names[s.Kind]+"("+shown+")")
	}
	return strings.Join(out, " ")
}

func TestEachArgumentIsShownAsWhatItIs(t *testing.T) {
	type id string
	for want, said := range map[string]Text{
		"":                                                       Format(""),
		"words(50% of 3 done in 1 min 2 s)":                      Format("50%% of %d done in %v", 3, 62*time.Second),
		"value(us-west-2) words( serves)":                        Format("%s serves", "us-west-2"),
		"value(INC-1) words(: ) value(a / b)":                    Format("%v: %s", id("INC-1"), "a\nb"),
		"quoted(no such host)":                                   Format("%v", fmt.Errorf("no such\n %s", "host.")),
		"words(You started it)":                                  Format("You %v it", Literal("started")),
		"words(at ) moment(14:02:31 UTC)":                        Format("at %v", at),
		"moment(2026-03-04 14:02 UTC)":                           At(at, ToDay),
		"name(alice) words( can)":                                Format("%v can", Person("alice")),
		"words(Try ) order(start us-west-2 3)":                   Format("Try {start %s %d}", "us-west-2", 3),
		"order() words( or ) order(help)":                        Format("{} or {help}"),
		"typed(strat) words( is no step of ) code(ok  )":         Format("%v is no step of %v", Exactly("strat"), ID("ok  ")),
		"strong(Readiness of us-west-2) words(: 1 ok)":           Format("%v: %d ok", Heading("Readiness of %s", "us-west-2"), 1),
		"prose(run ) typed(kubectl get po) prose( now\nor `not)": Passage(" run `kubectl get po` now\r\nor `not "),
		"block(a  1\nb c)":                                       Aligned("a  1", "b\nc"),
	} {
		if got := kinds(said); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A sentence that lacks something says so where it is read, and never panics.
func TestAFormatThatDoesNotFitShowsIt(t *testing.T) {
	for want, said := range map[string]Text{
		"a %!(MISSING) b":      Format("a %s b"),
		"a%!(EXTRA)":           Format("a", 1),
		"%!x%!(EXTRA)":         Format("%x", 1),
		"%!{'/failover start'": Format("{start"),
		"%!\ufffd":             Format("%"),
	} {
		if got := said.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Nothing that is filled in can steer a terminal, end its line or make a mark.
func TestWhatIsFilledInHasNoEffect(t *testing.T) {
	const evil = "a\x1b[31m\x00b\u009bc\u202ed\u2066e\xff\r\n\r\nf\u2028g\th{start x}%s"
	const harmless = "a[31mbcde\ufffd / f / g h{start x}%s"
	for name, said := range map[string]Text{
		"value": Format("%s", evil), "quote": Quote(evil), "typed": Exactly(evil), "person": Person(evil),
		"value of another type": Format("%v", struct{ s string }{evil}),
	} {
		got := said.String()
		if name == "typed" {
			got = strings.Trim(got, "'")
		}
		if name == "value of another type" {
			got = strings.Trim(got, "{}")
		}
		if got != harmless {
			t.Errorf("%s: %q, want %q", name, got, harmless)
		}
		for s := range said.Spans() {
			if s.Kind == Order || s.Kind == Words {
				t.Errorf("%s makes %s", name, kinds(said))
			}
		}
	}
	for name, said := range map[string]Text{"prose": Passage(evil), "aligned": Aligned(evil), "code": ID(evil), "heading": Heading("%s", evil), "order": Format("{%s}", evil), "error": Error(errors.New(evil))} {
		if strings.ContainsAny(said.String(), "\x1b\x00\u009b\u202e\u2066\u2028\r\t") {
			t.Errorf("%s: %q", name, said)
		}
		if name != "prose" && strings.Contains(said.String(), "\n") {
			t.Errorf("%s has several lines: %q", name, said)
		}
	}
}

func TestPlainNamesPeopleAndTheCommand(t *testing.T) {
	said := Format("%v and %v can {approve us-west-2}; %v is none.", Person("alice"), Person("slack:U1"), Exactly("aprove"))
	for want, face := range map[string]Plain{
		"alice and slack:U1 can '/failover approve us-west-2'; 'aprove' is none.": {},
		"Alice [1m and slack:U1 can 'failoverbot approve us-west-2'; 'aprove' is none.": {
			Called: func(id string) string { return map[string]string{"alice": "Alice \x1b[1m"}[id] }, Command: "failoverbot",
		},
	} {
		if got := face.Render(said); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestATextDoesNotChangeWhenMoreIsMadeOfIt(t *testing.T) {
	head := Format("a %v", Person("x"))
	one, two := head.Add("b"), head.Add("c %s", "d")
	lines := Lines(head, Text{}, one, two)
	if got := lines.String(); got != "a x\na xb\na xc d" || head.String() != "a x" {
		t.Errorf("%q; %q", got, head)
	}
	if !lines.Several() || head.Several() || head.Empty() || !(Text{}).Empty() || lines.Len() != 15 {
		t.Errorf("several %v, length %d", lines.Several(), lines.Len())
	}
}

func TestShortKeepsWholeWhatIsReadAsAWhole(t *testing.T) {
	for want, said := range map[string]Text{
		"abc…":     Format("abcdef").Short(4),
		"abc":      Format("abc").Short(3),
		"ab …":     Format("ab {start}").Short(8),
		"ab alice": Format("ab %v", Person("alice")).Short(8),
		"ü…":       Quote("üüüü").Short(2),
	} {
		if got := said.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestDurationsCountsAndLists(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 400 * time.Millisecond: "0 s", 41*time.Second + 600*time.Millisecond: "42 s", time.Minute: "1 min",
		4*time.Minute + 12*time.Second: "4 min 12 s", 2 * time.Hour: "2 h", 2*time.Hour + 5*time.Minute + 9*time.Second: "2 h 5 min",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
	for got, want := range map[string]string{
		Tenths(-400 * time.Millisecond): "-0.4 s", Tenths(time.Millisecond): "0.1 s", Tenths(0): "0 s", Tenths(9900 * time.Millisecond): "9.9 s",
		Tenths(41 * time.Second): "41 s", Tenths(14*time.Minute + 40*time.Second): "14 min 40 s", Tenths(time.Hour): "1 h 0 min", Tenths(62 * time.Minute): "1 h 2 min",
		Age(-time.Second): "-1 s", Age(119 * time.Second): "119 s", Age(150 * time.Second): "3 min", Age(2 * time.Hour): "2 h", Age(125 * time.Minute): "2 h 5 min",
		Are(1): "is", Are(2): "are",
		Count(0, "step"): "0 steps", Count(1, "step"): "1 step", Count(3, "step"): "3 steps",
		Some(nil, 2): "", Some([]string{"a", "b"}, 2): "a; b", Some([]string{"a", "b", "c", "d"}, 2): "a; b; and 2 more",
		Article("approver"): "an approver", Article("commander"): "a commander", Article(""): "a ",
		List(nil, "and"): "", List([]string{"a"}, "and"): "a", List([]string{"a", "b"}, "or"): "a or b", List([]string{"a", "b", "c"}, "and"): "a, b and c",
		Shorten("abcd", 3): "ab…", Shorten("üüü", 3): "üüü", Shorten("abc", 0): "…",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := Join([]Text{Person("a"), Format("b"), Format("c")}, "or").String(); got != "a, b or c" {
		t.Errorf("%q", got)
	}
}

func BenchmarkFormat(b *testing.B) {
	for b.Loop() {
		_ = Format("%s is open (%s -> %s): started by %v at %v. {status} shows it.", "INC-2026-0001", "us-east-1", "us-west-2", Person("alice"), at)
	}
}

// What a library says of a connection is no sentence for people at night.
func TestWhatLibrariesSayOfAConnectionIsSaidInWords(t *testing.T) {
	for said, want := range map[string]string{
		"CloudFront GetDistribution: not reachable: request send failed, dial tcp: connect: connection refused": "CloudFront GetDistribution: not reachable: the connection was refused",
		`Get "https://127.0.0.1:6443/api": dial tcp 127.0.0.1:6443: connect: connection refused`:                "the connection was refused",
		`Post "https://sts.us-east-1.amazonaws.com/": dial tcp [2001:db8::1]:443: i/o timeout`:                  "no connection in time",
		"dial tcp: lookup shop.example on 10.0.0.2:53: no such host":                                            "shop.example has no address",
		"read tcp 10.0.0.1:4711->10.0.0.2:443: read: connection reset by peer":                                  "the connection broke off",
		"not known within 30s: context deadline exceeded":                                                       "not known within 30s: no answer in time",
		`Head "https://x": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`:          "no answer in time",
		"unexpected EOF":      "the connection was closed",
		"the answer\nis 502.": "the answer is 502",
	} {
		if got := Bare(errors.New(said)); got != want {
			t.Errorf("%q is said as %q, want %q", said, got, want)
		}
	}
}
