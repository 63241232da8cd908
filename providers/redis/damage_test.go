package redis_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

// Each error reply is told as what it is; only what passes by itself is "try again".
func TestEachReplyIsOfItsKind(t *testing.T) {
	for reply, want := range map[string]incident.Trouble{
		"LOADING Redis is loading the dataset in memory":                                                      incident.NotReady,
		"CLUSTERDOWN The cluster is down":                                                                     incident.NotReady,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                    incident.NotReady,
		"TRYAGAIN Multiple keys request during rehashing of slot":                                             incident.NotReady,
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.":              incident.NotReady,
		"ERR max number of clients reached":                                                                   incident.NotReady,
		"NOREPLICAS Not enough good replicas to write.":                                                       incident.TakesNothing,
		"READONLY You can't write against a read only replica.":                                               incident.TakesNothing,
		"OOM command not allowed when used memory > 'maxmemory'.":                                             incident.TakesNothing,
		"OOM command not allowed when used memory > 'maxmemory'. script: 1f2e, on @user_script:66.":           incident.TakesNothing,
		"ERR Error running script (call to f_1f2e): @user_script:66: -OOM command not allowed when ...":       incident.TakesNothing,
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist":             incident.TakesNothing,
		"NOAUTH Authentication required.":                                                                     incident.Forbidden,
		"WRONGPASS invalid username-password pair or user is disabled.":                                       incident.Forbidden,
		"NOPERM this user has no permissions to run the 'evalsha' command":                                    incident.Forbidden,
		"DENIED Redis is running in protected mode because protected mode is enabled":                         incident.Forbidden,
		"ERR unknown command 'EVAL', with args beginning with: ":                                              incident.Forbidden,
		"WRONGTYPE Operation against a key holding the wrong kind of value":                                   incident.Damaged,
		"WRONGTYPE Operation against a key holding the wrong kind of value script: 1f2e, on @user_script:46.": incident.Damaged,
		"ERR something new": incident.TakesNothing,
	} {
		mini := redistest.Mini(t)
		l, err := redis.Open(t.Context(), redis.Options{URL: "redis://" + mini.Addr()}, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		mini.SetError(reply)
		_, err = l.Append(t.Context(), write(1, "r1", "a"))
		r, ok := errors.AsType[*incident.RecordError](err)
		if !ok || r.Trouble != want || r.Says == "" || r.Helps == "" || incident.CallErrorOf(err).Unknown {
			t.Errorf("%s\nis told as %+v, want %s", reply, r, want)
		}
		if err := l.Disconnect(); err != nil {
			t.Error(err)
		}
	}
}

// A script that a server does not know any more is loaded again by itself.
func TestAServerThatForgotItsScriptsLearnsThemAgain(t *testing.T) {
	url := redistest.Server(t)
	l := open(t, redis.Options{URL: url})
	for n := range uint64(2) {
		if _, err := l.Append(t.Context(), write(n, string(rune('a'+n)), "x")); err != nil {
			t.Fatal(err)
		}
		if err := client(t, url).ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func viewed(t *testing.T, b *incident.Book) (s incident.State) {
	t.Helper()
	if err := b.View(t.Context(), inc, func(now *incident.State) { s = *now }); err != nil {
		t.Fatal(err)
	}
	return s
}

func decide(t *testing.T, b *incident.Book, body incident.Body) error {
	t.Helper()
	_, err := b.Decide(t.Context(), inc, func(*incident.State) (incident.Write, error) {
		return incident.Write{Events: []incident.Event{{Time: noon, Actor: "alice", Body: body}}}, nil
	})
	return err
}

// One event that cannot be read, was changed, or was removed does not keep the others
// from being read: it is said which, nothing is decided on it, and the run can be
// stopped.
func TestOneDamagedEventIsSaidAndTheRunCanBeStopped(t *testing.T) {
	const log = "{fb}:INC-2026-0042:log"
	for name, c := range map[string]struct {
		hurt func(t *testing.T, url string)
		says string
	}{
		"removed": {func(t *testing.T, url string) {
			t.Helper()
			if n, err := client(t, url).XDel(t.Context(), log, "3-0").Result(); err != nil || n != 1 {
				t.Fatal(n, err)
			}
		}, "event 3 has been removed from Redis"},
		"two removed": {func(t *testing.T, url string) {
			t.Helper()
			if n, err := client(t, url).XDel(t.Context(), log, "3-0", "4-0").Result(); err != nil || n != 2 {
				t.Fatal(n, err)
			}
		}, "event 3 has been removed from Redis"},
		"changed": {rewritten(log, func(s string) string { return strings.Replace(s, `"holder":"a"`, `"holder":"b"`, 1) }), "event 3 has been changed in Redis"},
		"broken":  {rewritten(log, func(s string) string { return s[:len(s)/2] }), "event 3 cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			url := redistest.Server(t)
			l := open(t, redis.Options{URL: url})
			b := incident.NewBook(l)
			for _, body := range []incident.Body{
				incident.IncidentDeclared{Incident: inc},
				incident.RunBegun{Kind: incident.Failover, Digest: "d"},
				incident.RunTaken{Holder: "a", Token: 1},
				incident.StepStarted{Step: "scale", Attempt: 1},
				incident.StepFinished{Step: "scale", Attempt: 1},
			} {
				if err := decide(t, b, body); err != nil {
					t.Fatal(err)
				}
			}
			c.hurt(t, url)
			for _, fresh := range []*incident.Book{incident.NewBook(l), incident.NewBook(open(t, redis.Options{URL: url}))} {
				if s := viewed(t, fresh); s.Damage != c.says {
					t.Fatalf("said: %q, want %q", s.Damage, c.says)
				}
				if err := decide(t, fresh, incident.StepStarted{Step: "dns", Attempt: 1}); !errors.Is(err, incident.ErrChain) {
					t.Errorf("decided with %v", err)
				}
			}
			last := incident.NewBook(l)
			if err := decide(t, last, incident.RunAborted{Reason: "damaged"}); err != nil {
				t.Fatalf("abort: %v", err)
			}
			if s := viewed(t, last); s.AbortedAt.IsZero() {
				t.Error("it is not stopped")
			}
		})
	}
}

// rewritten changes the bytes of event 3 and leaves the rest as it is.
func rewritten(log string, change func(string) string) func(t *testing.T, url string) {
	return func(t *testing.T, url string) {
		t.Helper()
		c := client(t, url)
		all, err := c.XRange(t.Context(), log, "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Del(t.Context(), log).Err(); err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			if m.ID == "3-0" {
				m.Values["e"] = change(m.Values["e"].(string))
			}
			if err := c.Do(t.Context(), "XADD", log, m.ID, "e", m.Values["e"], "d", m.Values["d"]).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The last events, removed by hand, are a loss like any other: it is told, and they
// can be put back, although the stream takes their numbers only when it is set back.
func TestTheLastEventsRemovedAreALoss(t *testing.T) {
	url := redistest.Server(t)
	b := incident.NewBook(open(t, redis.Options{URL: url}))
	for _, body := range []incident.Body{
		incident.IncidentDeclared{Incident: inc}, incident.RunBegun{Kind: incident.Failover, Digest: "d"}, incident.NoteAdded{Text: "x"}, incident.NoteAdded{Text: "y"},
	} {
		if err := decide(t, b, body); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := client(t, url).XDel(t.Context(), "{fb}:INC-2026-0042:log", "3-0", "4-0").Result(); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if d := viewed(t, b).Diverged; d == nil || d.Common != 2 || d.Held != 4 || len(d.Lost) != 2 {
		t.Fatalf("told as %+v", d)
	}
	if err := incident.RestoreLost(t.Context(), b, inc, "alice", nil, noon, "removed by mistake"); err != nil {
		t.Fatal(err)
	}
	if s := viewed(t, b); s.Diverged != nil || s.Notes != 2 || s.Damage != "" {
		t.Errorf("diverged %+v, %d notes, damage %q", s.Diverged, s.Notes, s.Damage)
	}
}

// What was tried is said once, whoever hands the error on.
func TestWhatWasTriedIsSaidOnce(t *testing.T) {
	mini := redistest.Mini(t)
	l := open(t, redis.Options{URL: "redis://" + mini.Addr()})
	b := incident.NewBook(l)
	mini.Close()
	_, reserve := l.Reserve(t.Context(), noon, "r")
	_, opened := b.Open(t.Context())
	for what, err := range map[string]error{
		"look": b.View(t.Context(), inc, func(*incident.State) {}), "decide": decide(t, b, incident.NoteAdded{Text: "x"}), "reserve": reserve, "open": opened,
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
			continue
		}
		seen := map[string]bool{}
		for part := range strings.SplitSeq(err.Error(), ": ") {
			if seen[part] {
				t.Errorf("%s: %q is said twice in %q", what, part, err)
			}
			seen[part] = true
		}
		if n := strings.Count(err.Error(), string(inc)); n > 1 {
			t.Errorf("%s: the incident is named %d times in %q", what, n, err)
		}
	}
}

// A key of another kind is damage, and trying again does not help.
func TestAKeyOfAnotherKindIsDamage(t *testing.T) {
	url := redistest.Server(t)
	l := open(t, redis.Options{URL: url})
	for _, key := range []string{"{fb}:INC-2026-0042:log", "{fb}:INC-2026-0042:requests", "{fb}:open"} {
		if err := client(t, url).Set(t.Context(), key, "somebody's", 0).Err(); err != nil {
			t.Fatal(err)
		}
		_, err := l.Append(t.Context(), incident.Write{Incident: inc, Request: key, Events: []incident.Event{{Time: noon, Body: incident.IncidentDeclared{Incident: inc}}}})
		if r, ok := errors.AsType[*incident.RecordError](err); !ok || r.Trouble != incident.Damaged || !incident.CallErrorOf(err).NeedsPerson {
			t.Errorf("%s: %v", key, err)
		}
		if err := client(t, url).Del(t.Context(), key, "{fb}:INC-2026-0042:log").Err(); err != nil {
			t.Fatal(err)
		}
	}
}
