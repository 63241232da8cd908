package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// leaks is the longest piece of a secret that stands in a text; empty if none of four
// characters does.
func leaks(text, secret string) string {
	for n := len(secret); n >= 4; n-- {
		for i := 0; i+n <= len(secret); i++ {
			if strings.Contains(text, secret[i:i+n]) {
				return secret[i : i+n]
			}
		}
	}
	return ""
}

func TestASecretIsHiddenInEverySpelling(t *testing.T) {
	const secret = `Qz7/f+"R&2<kV9w\Xp`
	s := new(Secrets)
	s.Add(secret)
	quoted, err := json.Marshal("said " + secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{
		secret, "key " + secret + " refused", fmt.Sprintf("%q", secret), string(quoted),
		"https://x.example/?k=Qz7%2Ff%2B%22R%262%3CkV9w%5CXp", `Qz7/f+"R&amp;2&lt;kV9w\Xp`,
		"cut Qz7/f…", "cut Qz7/f+...", "args 'Qz7/' end", secret[3:14], secret + secret,
	} {
		if got := s.Hide(said); leaks(got, secret) != "" || !strings.Contains(got, Hidden) {
			t.Errorf("%s is said as %s", said, got)
		}
	}
	for _, said := range []string{"nothing of it", "Qz7", "a/b+c", ""} {
		if got := s.Hide(said); got != said {
			t.Errorf("%q is said as %q", said, got)
		}
	}
}

// A parser that meets a / takes it for the end of the host.
func TestThePasswordOfAnAddressIsHiddenInPieces(t *testing.T) {
	s := new(Secrets)
	s.AddAddress("http://b:Kq3v/Zt8w%21x@host.example:80/api/?ticket=Tick3tTick3t")
	for in, want := range map[string]string{
		`invalid port ":Kq3v" after host`:                     `invalid port ":[hidden]" after host`,
		`parse "http://b:Kq3v/Zt8w%21x@host.example/": wrong`: `parse "http://host.example/": wrong`,
		`dial b:Kq3v`:               `dial b:[hidden]`,
		`no file /Zt8w%21x@host`:    `no file [hidden]@host`,
		`WRONGPASS Kq3v/Zt8w!x`:     `WRONGPASS [hidden]`,
		`Basic YjpLcTN2L1p0OHchng`:  `Basic [hidden]ng`,
		`ticket Tick3tTick3t`:       `ticket [hidden]`,
		`host.example is not there`: `host.example is not there`,
		`Kq3vexample`:               `Kq3vexample`,
		`https://host.example/archives/C1/p2?thread_ts=1&cid=C`: `https://host.example/archives/C1/p2?thread_ts=1&cid=C`,
	} {
		if got := s.Hide(in); got != want {
			t.Errorf("%s\nis said as %s\nand not  %s", in, got, want)
		}
	}
}

func TestTheShapeOfASecretIsEnough(t *testing.T) {
	for in, want := range map[string]string{
		"token xoxb-12-34-AbC refused":                                          "token [hidden] refused",
		"xapp-1-A0-12-abcdef":                                                   "[hidden]",
		"it begins with xoxb-... or xapp-…":                                     "it begins with xoxb-... or xapp-…",
		"Authorization: Bearer abc.DEF_123-456x":                                "Authorization: Bearer [hidden]",
		"the bearer authentication is off":                                      "the bearer authentication is off",
		"k8s-aws-v1.aHR0cHM6Ly9zdHM":                                            "[hidden]",
		"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln":                             "[hidden]",
		"https://sts/?X-Amz-Signature=0a1b&X-Amz-Date=1":                        "https://sts/?X-Amz-Signature=[hidden]&X-Amz-Date=1",
		"https://hooks.slack.com/commands/T1/2/abc: refused":                    "https://hooks.slack.com/commands/[hidden] refused",
		"redis://:h/u@s@h@host:6379":                                            "redis://host:6379",
		"http://host:8080/a@b":                                                  "http://host:8080/a@b",
		"-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n": "[hidden]\n",
	} {
		var none *Secrets
		if got := none.Hide(in); got != want {
			t.Errorf("%s\nis said as %s\nand not  %s", in, got, want)
		}
	}
}

// With such a password in force nobody could read what is said any more.
func TestAWordIsNoSecret(t *testing.T) {
	s := new(Secrets)
	s.Add("failover", "database", "abc", "")
	s.AddAddress("redis://:platform-a@host")
	const said = "/failover start: the database of platform-a"
	if got := s.Hide(said); got != said {
		t.Errorf("said as %q", got)
	}
	s.Add("failover-Prod-2024") // of which words are pieces
	if got := s.Hide(said + " failover-Prod-2024"); got != said+" [hidden]" {
		t.Errorf("said as %q", got)
	}
}

func TestWhatIsObtainedIsForgottenInTheEnd(t *testing.T) {
	s := new(Secrets)
	s.Add("Given0123456789")
	for n := range 2 * obtainedMost {
		s.Obtain(fmt.Sprintf("%04dSession%04d", n, n))
	}
	if got := s.Hide("Given0123456789 0063Session0063"); got != "[hidden] [hidden]" {
		t.Errorf("said as %q", got)
	}
	if len(s.obtained) != obtainedMost {
		t.Errorf("%d are kept", len(s.obtained))
	}
}

func TestWhatIsReadOfTheEnvironmentIsASecret(t *testing.T) {
	s := new(Secrets)
	env := s.Environ(func(name string) string {
		return map[string]string{"A": " T0kenT0ken ", "B": "redis://u:Passw0rd@h"}[name]
	})
	if env("A") != " T0kenT0ken " || env("C") != "" || env("B") == "" {
		t.Error("the environment is another one")
	}
	if got := s.Hide("T0kenT0ken, Passw0rd"); got != "[hidden], [hidden]" {
		t.Errorf("said as %q", got)
	}
}

// A secret may come in two writes.
func TestAWriterHandsOnWholeLines(t *testing.T) {
	s := new(Secrets)
	s.Add("T0kenT0ken")
	var out bytes.Buffer
	w := s.Writer(&out)
	for _, p := range []string{"a T0ken", "T0ken b\nc", " T0kenT0", "ken"} {
		if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if out.String() != "a [hidden] b\n" {
		t.Errorf("%q", out.String())
	}
	for range 2 {
		if err := w.Flush(); err != nil {
			t.Error(err)
		}
	}
	if out.String() != "a [hidden] b\nc [hidden]" {
		t.Errorf("%q", out.String())
	}
}

func TestAnErrorKeepsWhatItWraps(t *testing.T) {
	s := new(Secrets)
	s.Add("T0kenT0ken")
	cause := errors.New("T0kenT0ken")
	if err := s.Error(cause); err.Error() != Hidden || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if s.Error(nil) != nil {
		t.Error("nil is an error")
	}
}

func BenchmarkHide(b *testing.B) {
	s := new(Secrets)
	s.Add("xoxb-123-456-AbCdEfGh", "0123456789abcdef0123456789abcdef", strings.Repeat("IQoJb3JpZ2luX2VjE+/", 60))
	said := strings.Repeat("Step switch-database in us-west-2: orders writes in us-west-2, lag 0.4 s. ", 130)
	b.SetBytes(int64(len(said)))
	for b.Loop() {
		s.Hide(said)
	}
}
