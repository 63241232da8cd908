package enginetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// Logs is the suite that every incident.Log must pass. open returns an empty Log
// each time, and undoes it with t.Cleanup.
func Logs(t *testing.T, open func(t *testing.T) incident.Log) {
	for _, c := range []struct {
		name string
		test func(*testing.T, incident.Log)
	}{
		{"seq counts from 1 without a gap", gapless},
		{"several events are added in one piece", onePiece},
		{"who comes second gets ErrMoved and adds nothing", moved},
		{"a repeated request gets the first answer", repeated},
		{"the same request sent by many at once is written once", repeatedAtOnce},
		{"a request is known in its own incident only", requestPerIncident},
		{"one winner for each seq", race},
		{"a write without request, events, incident or body is refused", malformed},
		{"an older lease token is refused", fenced},
		{"a lease is held until it runs out", leaseRunsOut},
		{"a lease is taken over by who names it as it is", leaseTakenOver},
		{"a lease can be renewed while nobody took it", leaseRenewed},
		{"a lease that was given back is free", leaseReleased},
		{"many take a free lease and one gets it", leaseRace},
		{"several incidents may be open", severalOpen},
		{"one run at a time may change things", oneChanges},
		{"of many that begin at once one wins", oneWins},
		{"numbers have no gap and endings are never used twice", numbers},
		{"where things were said is kept beside the timeline", places},
		{"each event carries its predecessor's digest", chained},
		{"incidents are listed oldest first", listed},
		{"read gives what was asked for, in order", read},
		{"a long timeline is read whole", long},
		{"what was written is read", written},
		{"an unknown event survives byte for byte", unknown},
		{"a plan of a megabyte survives", big},
		{"wait returns at once when it is there already", waitThere},
		{"wait wakes upon an append", waitAppend},
		{"wait is for one incident and one seq", waitOther},
		{"wait ends with its context", waitEnds},
		{"durability is told in a sentence", durability},
		{"a secured append tells what it got", secured},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

const (
	first  = incident.ID("INC-2026-0001")
	second = incident.ID("INC-2026-0002")
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func note(text string) incident.Event {
	return incident.Event{Time: noon, Actor: "U1", Body: incident.NoteAdded{Text: text}}
}

func write(id incident.ID, after uint64, request string, texts ...string) incident.Write {
	w := incident.Write{Incident: id, After: after, Request: request}
	for _, text := range texts {
		w.Events = append(w.Events, note(text))
	}
	return w
}

func mustAppend(t *testing.T, l incident.Log, w incident.Write) incident.Written {
	t.Helper()
	got, err := l.Append(t.Context(), w)
	if err != nil {
		t.Fatalf("append %s after %d: %v", w.Request, w.After, err)
	}
	return got
}

// texts of the notes of a timeline; it also checks that seq has no gap.
func texts(t *testing.T, l incident.Log, id incident.ID) []string {
	t.Helper()
	events, err := l.Read(t.Context(), id, 0, 0)
	if err != nil {
		t.Fatalf("read %s: %v", id, err)
	}
	var got []string
	for i, e := range events {
		if e.Seq != uint64(i)+1 {
			t.Fatalf("event %d of %s has seq %d", i+1, id, e.Seq)
		}
		n, ok := e.Body.(incident.NoteAdded)
		if !ok {
			t.Fatalf("event %d of %s is a %T", i+1, id, e.Body)
		}
		got = append(got, n.Text)
	}
	return got
}

func wantTexts(t *testing.T, l incident.Log, id incident.ID, want ...string) {
	t.Helper()
	if got := texts(t, l, id); !slices.Equal(got, want) {
		t.Errorf("%s holds %q, want %q", id, got, want)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

func gapless(t *testing.T, l incident.Log) {
	wantTexts(t, l, first)
	for i := range 5 {
		got := mustAppend(t, l, write(first, uint64(i), fmt.Sprint("r", i), fmt.Sprint(i)))
		if got.Seq != uint64(i)+1 || got.Repeat {
			t.Errorf("append %d returned %+v", i, got)
		}
	}
	wantTexts(t, l, first, "0", "1", "2", "3", "4")
}

func onePiece(t *testing.T, l incident.Log) {
	w := write(first, 0, "r1", "a", "b", "c")
	w.Events[1].Seq = 77 // assigned by the Log, whatever was there
	if got := mustAppend(t, l, w); got.Seq != 3 {
		t.Errorf("three events end at %d", got.Seq)
	}
	if w.Events[0].Seq != 0 || w.Events[1].Seq != 77 {
		t.Error("the caller's events were changed")
	}
	_, err := l.Append(t.Context(), write(first, 2, "r2", "d", "e"))
	wantErr(t, err, incident.ErrMoved)
	wantTexts(t, l, first, "a", "b", "c")
}

func moved(t *testing.T, l incident.Log) {
	mustAppend(t, l, write(first, 0, "r1", "a"))
	for _, after := range []uint64{0, 2, 100} {
		_, err := l.Append(t.Context(), write(first, after, fmt.Sprint("late", after), "no"))
		wantErr(t, err, incident.ErrMoved)
	}
	wantTexts(t, l, first, "a")
	// A request that was refused is not remembered: it may decide again.
	mustAppend(t, l, write(first, 1, "late0", "b"))
	_, err := l.Append(t.Context(), write(second, 1, "r1", "skips the beginning"))
	wantErr(t, err, incident.ErrMoved)
	wantTexts(t, l, first, "a", "b")
	wantTexts(t, l, second)
}

func repeated(t *testing.T, l incident.Log) {
	w := write(first, 0, "r1", "a", "b")
	mustAppend(t, l, w)
	again := func() {
		t.Helper()
		if got := mustAppend(t, l, w); got.Seq != 2 || !got.Repeat {
			t.Errorf("the repeated request returned %+v", got)
		}
	}
	again()
	mustAppend(t, l, write(first, 2, "r2", "c"))
	again()
	for i := range 20 {
		mustAppend(t, l, write(first, uint64(i)+3, fmt.Sprint("more", i), "more"))
	}
	again()
	if got := texts(t, l, first); len(got) != 23 {
		t.Errorf("%d events, want 23", len(got))
	}
}

func repeatedAtOnce(t *testing.T, l incident.Log) {
	const many = 20
	w := write(first, 0, "r1", "a", "b")
	fresh := make(chan bool, many)
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			got, err := l.Append(t.Context(), w)
			if err != nil || got.Seq != 2 {
				t.Errorf("append returned %+v, %v", got, err)
			}
			fresh <- !got.Repeat
		})
	}
	wg.Wait()
	close(fresh)
	n := 0
	for f := range fresh {
		if f {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of %d were told that they wrote it", n, many)
	}
	wantTexts(t, l, first, "a", "b")
}

func requestPerIncident(t *testing.T, l incident.Log) {
	mustAppend(t, l, write(first, 0, "r1", "a"))
	if got := mustAppend(t, l, write(second, 0, "r1", "b")); got.Repeat {
		t.Error("a request of another incident counted as a repeat")
	}
	wantTexts(t, l, second, "b")
}

func race(t *testing.T, l incident.Log) {
	const many, rounds = 50, 4
	for round := range rounds {
		winners := make(chan int, many)
		var wg sync.WaitGroup
		for i := range many {
			wg.Go(func() {
				w := write(first, uint64(round), fmt.Sprintf("r%d/%d", round, i), fmt.Sprintf("%d/%d", round, i))
				got, err := l.Append(t.Context(), w)
				switch {
				case err == nil && got.Seq == uint64(round)+1 && !got.Repeat:
					winners <- i
				case !errors.Is(err, incident.ErrMoved):
					t.Errorf("append returned %+v, %v", got, err)
				}
			})
		}
		wg.Wait()
		close(winners)
		var won []int
		for i := range winners {
			won = append(won, i)
		}
		if len(won) != 1 {
			t.Fatalf("round %d was won by %v", round, won)
		}
		if got := texts(t, l, first); len(got) != round+1 || got[round] != fmt.Sprintf("%d/%d", round, won[0]) {
			t.Fatalf("round %d was won by %d and the timeline holds %q", round, won[0], got)
		}
	}
}

func malformed(t *testing.T, l incident.Log) {
	bodyless := write(first, 0, "r", "a")
	bodyless.Events[0].Body = nil
	broken := write(first, 0, "r", "a")
	broken.Events[0].Body = incident.Unknown{Name: "X", Raw: json.RawMessage(`{"seq":`)}
	for name, w := range map[string]incident.Write{
		"no incident": write("", 0, "r", "a"),
		"no request":  write(first, 0, "", "a"),
		"no events":   write(first, 0, "r"),
		"no body":     bodyless,
		"not JSON":    broken,
	} {
		if got, err := l.Append(t.Context(), w); err == nil {
			t.Errorf("%s: accepted with %+v", name, got)
		}
	}
	wantTexts(t, l, first)
	mustAppend(t, l, write(first, 0, "r", "a"))
}

func mustAcquire(t *testing.T, l incident.Log, id incident.ID, holder string, now time.Time) uint64 {
	t.Helper()
	token, err := l.Acquire(t.Context(), id, incident.Bid{Holder: holder, Now: now, TTL: time.Minute})
	if held, ok := errors.AsType[*incident.LeaseHeldError](err); ok && !now.Before(held.Lease.Until) {
		token, err = l.Acquire(t.Context(), id, incident.Bid{Holder: holder, Now: now, TTL: time.Minute, Over: held.Lease})
	}
	if err != nil {
		t.Fatalf("%s takes the lease: %v", holder, err)
	}
	if token == 0 {
		t.Fatalf("%s got token 0, which means no lease", holder)
	}
	return token
}

func fenced(t *testing.T, l incident.Log) {
	old := mustAcquire(t, l, first, "a", noon)
	w := write(first, 0, "r1", "a")
	w.Fence = old
	mustAppend(t, l, w)
	newer := mustAcquire(t, l, first, "b", noon.Add(time.Hour))
	if newer <= old {
		t.Fatalf("token %d came after %d", newer, old)
	}

	late := write(first, 1, "r2", "stale")
	late.Fence = old
	_, err := l.Append(t.Context(), late)
	wantErr(t, err, incident.ErrFenced)
	// Also with the wrong place, and for what it had written: who has lost the
	// lease must stop, not think again.
	late.After = 7
	_, err = l.Append(t.Context(), late)
	wantErr(t, err, incident.ErrFenced)
	_, err = l.Append(t.Context(), w)
	wantErr(t, err, incident.ErrFenced)
	// People write without a lease, the new holder with its own.
	mustAppend(t, l, write(first, 1, "r3", "b"))
	late = write(first, 2, "r4", "c")
	late.Fence = newer
	mustAppend(t, l, late)
	other := write(second, 0, "r5", "d")
	other.Fence = old // of a count that this timeline's record does not have
	_, err = l.Append(t.Context(), other)
	wantErr(t, err, incident.ErrFenced)
	// Giving the lease back does not let the old one in again.
	if err := l.Release(t.Context(), first, newer); err != nil {
		t.Fatal(err)
	}
	late = write(first, 3, "r6", "stale")
	late.Fence = old
	_, err = l.Append(t.Context(), late)
	wantErr(t, err, incident.ErrFenced)
	wantTexts(t, l, first, "a", "b", "c")
}

// heldBy is the lease for which a bid that takes nothing over is refused.
func heldBy(t *testing.T, l incident.Log, id incident.ID, now time.Time) incident.Lease {
	t.Helper()
	_, err := l.Acquire(t.Context(), id, incident.Bid{Holder: "who asks", Now: now, TTL: time.Minute})
	held, ok := errors.AsType[*incident.LeaseHeldError](err)
	if !ok || held.Incident != id || !errors.Is(err, incident.ErrLeaseHeld) {
		t.Fatalf("the lease of %s is asked for: %v", id, err)
	}
	return held.Lease
}

// A lease is taken over by who names it as it is, whatever any clock says, and by
// nobody else.
func leaseTakenOver(t *testing.T, l incident.Log) {
	token := mustAcquire(t, l, first, "a", noon)
	seen := heldBy(t, l, first, noon.Add(time.Hour))
	if want := (incident.Lease{Holder: "a", Token: token, Until: noon.Add(time.Minute).Truncate(time.Millisecond)}); seen != want {
		t.Fatalf("the lease is %+v, want %+v", seen, want)
	}
	bid := incident.Bid{Holder: "b", Now: noon, TTL: time.Minute, Over: seen}
	if err := l.Renew(t.Context(), first, token, noon.Add(time.Second), time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err := l.Acquire(t.Context(), first, bid) // it was kept meanwhile
	wantErr(t, err, incident.ErrLeaseHeld)
	bid.Over = heldBy(t, l, first, noon)
	bid.Over.Token++
	_, err = l.Acquire(t.Context(), first, bid)
	wantErr(t, err, incident.ErrLeaseHeld)
	bid.Over.Token--
	next, err := l.Acquire(t.Context(), first, bid)
	if err != nil || next <= token {
		t.Fatalf("taken over with token %d after %d, %v", next, token, err)
	}
	bid.Holder = "c"
	_, err = l.Acquire(t.Context(), first, bid) // once
	wantErr(t, err, incident.ErrLeaseHeld)
	wantErr(t, l.Renew(t.Context(), first, token, noon, time.Minute), incident.ErrFenced)
	// Where the record lost its count, the bidder's counts on.
	bid.Holder, bid.Above = "b", next+40
	if again, err := l.Acquire(t.Context(), first, bid); err != nil || again != next+41 {
		t.Errorf("token %d above %d, %v", again, bid.Above, err)
	}
}

func leaseRunsOut(t *testing.T, l incident.Log) {
	token := mustAcquire(t, l, first, "a", noon)
	for _, d := range []time.Duration{0, time.Second, time.Minute - time.Millisecond} {
		_, err := l.Acquire(t.Context(), first, incident.Bid{Holder: "b", Now: noon.Add(d), TTL: time.Minute})
		wantErr(t, err, incident.ErrLeaseHeld)
	}
	mustAcquire(t, l, second, "b", noon) // another incident's is free
	again := mustAcquire(t, l, first, "a", noon.Add(time.Second))
	if again <= token {
		t.Errorf("the same holder got %d after %d", again, token)
	}
	_, err := l.Acquire(t.Context(), first, incident.Bid{Holder: "b", Now: noon.Add(time.Minute + time.Second - time.Millisecond), TTL: time.Minute})
	wantErr(t, err, incident.ErrLeaseHeld)
	taken := mustAcquire(t, l, first, "b", noon.Add(time.Minute+time.Second))
	if taken <= again {
		t.Errorf("the next holder got %d after %d", taken, again)
	}
	wantErr(t, l.Renew(t.Context(), first, again, noon.Add(time.Minute+2*time.Second), time.Minute), incident.ErrFenced)
}

func leaseRenewed(t *testing.T, l incident.Log) {
	token := mustAcquire(t, l, first, "a", noon)
	if err := l.Renew(t.Context(), first, token, noon.Add(30*time.Second), time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err := l.Acquire(t.Context(), first, incident.Bid{Holder: "b", Now: noon.Add(89 * time.Second), TTL: time.Minute})
	wantErr(t, err, incident.ErrLeaseHeld)
	// Run out and taken by nobody: still ours.
	if err := l.Renew(t.Context(), first, token, noon.Add(time.Hour), time.Minute); err != nil {
		t.Errorf("renew after it ran out: %v", err)
	}
	_, err = l.Acquire(t.Context(), first, incident.Bid{Holder: "b", Now: noon.Add(time.Hour), TTL: time.Minute})
	wantErr(t, err, incident.ErrLeaseHeld)
	for _, wrong := range []uint64{0, token + 1} {
		wantErr(t, l.Renew(t.Context(), first, wrong, noon.Add(time.Hour), time.Minute), incident.ErrFenced)
	}
	wantErr(t, l.Renew(t.Context(), second, token, noon, time.Minute), incident.ErrFenced)
}

func leaseReleased(t *testing.T, l incident.Log) {
	token := mustAcquire(t, l, first, "a", noon)
	for _, wrong := range []uint64{0, token + 1} {
		if err := l.Release(t.Context(), first, wrong); err != nil {
			t.Fatal(err)
		}
		_, err := l.Acquire(t.Context(), first, incident.Bid{Holder: "b", Now: noon, TTL: time.Minute})
		wantErr(t, err, incident.ErrLeaseHeld)
	}
	for range 2 {
		if err := l.Release(t.Context(), first, token); err != nil {
			t.Fatal(err)
		}
	}
	wantErr(t, l.Renew(t.Context(), first, token, noon, time.Minute), incident.ErrFenced)
	if next := mustAcquire(t, l, first, "b", noon); next <= token {
		t.Errorf("token %d came after %d", next, token)
	}
}

func leaseRace(t *testing.T, l incident.Log) {
	const many = 20
	tokens := make(chan uint64, many)
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			token, err := l.Acquire(t.Context(), first, incident.Bid{Holder: fmt.Sprint("replica", i), Now: noon, TTL: time.Minute})
			if err == nil {
				tokens <- token
			} else if !errors.Is(err, incident.ErrLeaseHeld) {
				t.Errorf("acquire: %v", err)
			}
		})
	}
	wg.Wait()
	if len(tokens) != 1 {
		t.Errorf("%d replicas hold the lease", len(tokens))
	}
}

func declared(id incident.ID, after uint64, request string) incident.Write {
	return incident.Write{Incident: id, After: after, Request: request, Events: []incident.Event{
		{Time: noon, Actor: "alice", Body: incident.IncidentDeclared{Incident: id, Reason: "5xx"}},
	}}
}

// begun is the declaration of an incident and the beginning of its first run.
func begun(id incident.ID, request string, run incident.RunID) incident.Write {
	w := declared(id, 0, request)
	w.Events = append(w.Events, incident.Event{Time: noon, Actor: "alice", Run: run, Body: incident.RunBegun{Kind: incident.Failover}})
	return w
}

func mustReserve(t *testing.T, l incident.Log, now time.Time, request string) incident.ID {
	t.Helper()
	id, err := l.Reserve(t.Context(), now, request)
	if err != nil {
		t.Fatalf("reserve for %s: %v", request, err)
	}
	return id
}

func wantOpen(t *testing.T, l incident.Log, want ...incident.ID) {
	t.Helper()
	got, err := l.Open(t.Context())
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("open are %q, %v; want %q", got, err, want)
	}
}

func wantHolder(t *testing.T, l incident.Log, want incident.Holder) {
	t.Helper()
	got, err := l.Holder(t.Context())
	if err != nil || got != want {
		t.Errorf("the lock is held by %+v, %v; want %+v", got, err, want)
	}
}

func severalOpen(t *testing.T, l incident.Log) {
	wantOpen(t, l)
	mustAppend(t, l, declared(first, 0, "r1"))
	mustAppend(t, l, declared(second, 0, "r2"))
	wantOpen(t, l, first, second)
	resolved := incident.Write{Incident: first, After: 1, Request: "r3", Events: []incident.Event{{Time: noon, Body: incident.IncidentResolved{}}}}
	mustAppend(t, l, resolved)
	wantOpen(t, l, second)
	mustAppend(t, l, resolved) // sent again, it closes nothing else
	wantOpen(t, l, second)
	// A way back opens it again, and its end closes it.
	mustAppend(t, l, incident.Write{Incident: first, After: 2, Request: "r4", Events: []incident.Event{
		{Time: noon, Run: "failback-2", Body: incident.RunBegun{Kind: incident.Failback}},
	}})
	wantOpen(t, l, first, second)
	mustAppend(t, l, incident.Write{Incident: first, After: 3, Request: "r5", Events: []incident.Event{
		{Time: noon, Run: "failback-2", Body: incident.RunEnded{How: "done", Closes: true}},
	}})
	wantOpen(t, l, second)
}

func oneChanges(t *testing.T, l incident.Log) {
	wantHolder(t, l, incident.Holder{})
	mustAppend(t, l, begun(first, "r1", "failover-1"))
	holder := incident.Holder{Incident: first, Run: "failover-1"}
	wantHolder(t, l, holder)

	_, err := l.Append(t.Context(), begun(second, "r2", "failover-1"))
	var locked *incident.LockedError
	if !errors.As(err, &locked) || locked.Holder != holder {
		t.Fatalf("a second run that changes things was answered %v", err)
	}
	wantTexts(t, l, second)
	wantOpen(t, l, first)

	// A dry run changes nothing, so it may go on beside it.
	dry := begun(second, "r3", "drill-1")
	dry.Events[1].Body = incident.RunBegun{Kind: incident.Drill, Dry: true}
	mustAppend(t, l, dry)
	wantHolder(t, l, holder)

	// In one piece the lock passes from a run to the one that follows it.
	mustAppend(t, l, incident.Write{Incident: first, After: 2, Request: "r4", Events: []incident.Event{
		{Time: noon, Run: "failover-1", Body: incident.RunAborted{}},
		{Time: noon, Run: "undo-2", Body: incident.RunBegun{Kind: incident.Undo}},
	}})
	wantHolder(t, l, incident.Holder{Incident: first, Run: "undo-2"})
	// Another's end does not free it; its own does.
	mustAppend(t, l, incident.Write{Incident: second, After: 2, Request: "r5", Events: []incident.Event{{Time: noon, Run: "drill-1", Body: incident.RunEnded{}}}})
	wantHolder(t, l, incident.Holder{Incident: first, Run: "undo-2"})
	mustAppend(t, l, incident.Write{Incident: first, After: 4, Request: "r6", Events: []incident.Event{{Time: noon, Run: "undo-2", Body: incident.RunEnded{}}}})
	wantHolder(t, l, incident.Holder{})

	// What begins and ends in one piece holds nothing after it, nor does what was
	// under way before it.
	whole := func(run incident.RunID) []incident.Event {
		return []incident.Event{
			{Time: noon, Run: run, Body: incident.RunBegun{Kind: incident.Undo}},
			{Time: noon, Run: run, Body: incident.RunAborted{}},
			{Time: noon, Run: run, Body: incident.IncidentResolved{}},
		}
	}
	mustAppend(t, l, incident.Write{Incident: first, After: 5, Request: "r7", Events: whole("undo-3")})
	wantHolder(t, l, incident.Holder{})
	wantOpen(t, l, second)
	mustAppend(t, l, incident.Write{Incident: second, After: 3, Request: "r8", Events: []incident.Event{
		{Time: noon, Run: "failover-2", Body: incident.RunBegun{Kind: incident.Failover}},
	}})
	wantHolder(t, l, incident.Holder{Incident: second, Run: "failover-2"})
	mustAppend(t, l, incident.Write{Incident: second, After: 4, Request: "r9", Events: append([]incident.Event{
		{Time: noon, Run: "failover-2", Body: incident.RunAborted{}},
	}, whole("undo-3")...)})
	wantHolder(t, l, incident.Holder{})
	wantOpen(t, l)
}

func oneWins(t *testing.T, l incident.Log) {
	const many = 20
	won := make(chan incident.ID, many)
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			request := fmt.Sprint("r", i)
			for {
				id, err := l.Reserve(t.Context(), noon, request)
				if err != nil {
					t.Errorf("reserve: %v", err)
					return
				}
				_, err = l.Append(t.Context(), begun(id, request, "failover-1"))
				var locked *incident.LockedError
				switch {
				case err == nil:
					won <- id
					return
				case errors.As(err, &locked):
					return
				case !errors.Is(err, incident.ErrTaken):
					t.Errorf("begin: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(won)
	var ids []incident.ID
	for id := range won {
		ids = append(ids, id)
	}
	if len(ids) != 1 || ids[0].Name() != "INC-2026-0001" {
		t.Errorf("began: %v", ids)
	}
	wantOpen(t, l, ids...)
}

func numbers(t *testing.T, l incident.Log) {
	if _, err := l.Reserve(t.Context(), noon, ""); err == nil {
		t.Error("reserved without a request id")
	}
	one, again := mustReserve(t, l, noon, "o1"), mustReserve(t, l, noon, "o2")
	if one.Name() != "INC-2026-0001" || again.Name() != one.Name() {
		t.Errorf("reserved %s and %s: a number that no timeline has is given again", one, again)
	}
	if one == again {
		t.Errorf("%s was given twice", one)
	}
	mustAppend(t, l, declared(one, 0, "o1"))
	if _, err := l.Append(t.Context(), declared(again, 0, "o2")); !errors.Is(err, incident.ErrTaken) {
		t.Errorf("the same number began twice: %v", err)
	}
	if id := mustReserve(t, l, noon, "o1"); id != one {
		t.Errorf("the same request got %s, and began %s", id, one)
	}
	if id := mustReserve(t, l, noon, "o2"); id.Name() != "INC-2026-0002" {
		t.Errorf("the next is %s", id)
	}
	// It is 2026 in UTC already.
	local := time.Date(2025, 12, 31, 23, 30, 0, 0, time.FixedZone("west", -3600))
	if id := mustReserve(t, l, local, "o3"); id.Name() != "INC-2026-0002" {
		t.Errorf("the next of 2026 is %s", id)
	}
	if id := mustReserve(t, l, noon.AddDate(1, 0, 0), "o4"); id.Name() != "INC-2027-0001" {
		t.Errorf("the first of 2027 is %s", id)
	}
}

func listed(t *testing.T, l incident.Log) {
	wantIncidents := func(want ...incident.ID) {
		t.Helper()
		got, err := l.Incidents(t.Context(), 0)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("incidents are %v, %v; want %v", got, err, want)
		}
	}
	wantIncidents()
	mustReserve(t, l, noon, "o1")
	wantIncidents() // reserved, and no timeline yet
	var want []incident.ID
	for i := range 12 {
		id := incident.NewID(2026, i+1, "")
		mustAppend(t, l, write(id, 0, "r1", "a"))
		want = append(want, id)
	}
	mustAppend(t, l, write(first, 1, "r2", "b"))
	_, err := l.Append(t.Context(), write(incident.NewID(2026, 99, ""), 5, "r1", "no"))
	wantErr(t, err, incident.ErrMoved)
	mustAppend(t, l, write(incident.PlatformLog, 0, "r1", "of no incident"))
	wantIncidents(want...)
	wantOpen(t, l)
	for n, want := range map[int][]incident.ID{1: want[11:], 3: want[9:], 99: want} {
		if got, err := l.Incidents(t.Context(), n); err != nil || !slices.Equal(got, want) {
			t.Errorf("the last %d are %v, %v", n, got, err)
		}
	}
}

func places(t *testing.T, l incident.Log) {
	want := map[string]incident.Place{
		"card":       {Channel: "C1", TS: "2.0"},
		"update/1.0": {Channel: "C1", TS: "3.0", Next: noon.Add(15 * time.Minute)},
	}
	for _, c := range []struct {
		key string
		p   incident.Place
	}{{"card", incident.Place{Channel: "C1", TS: "1.0"}}, {"card", want["card"]}, {"update/1.0", want["update/1.0"]}} {
		if err := l.Remember(t.Context(), first, c.key, c.p); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.Remembered(t.Context(), first)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("remembered %v, %v; want %v", got, err, want)
	}
	if got, err := l.Remembered(t.Context(), second); err != nil || len(got) != 0 {
		t.Errorf("of another incident: %v, %v", got, err)
	}
	wantTexts(t, l, first) // no part of the timeline
}

// chained: each event names the digest of the bytes before it, as they are stored.
func chained(t *testing.T, l incident.Log) {
	var head incident.Position
	for i := range 3 {
		w := write(first, head.Seq, fmt.Sprint("r", i), fmt.Sprint(i, "a"), fmt.Sprint(i, "b"))
		w.Prev = head.Digest
		got := mustAppend(t, l, w)
		if len(got.Events) != 2 {
			t.Fatalf("append returned %d events", len(got.Events))
		}
		head = got.Events[1].Position()
	}
	events, err := l.Read(t.Context(), first, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := incident.Verify(events); err != nil {
		t.Error(err)
	}
	if got := events[len(events)-1].Position(); got != head {
		t.Errorf("the last event is %+v, append had said %+v", got, head)
	}
	other := write(first, 6, "other", "follows something else")
	other.Prev = events[4].Position().Digest
	_, err = l.Append(t.Context(), other)
	wantErr(t, err, incident.ErrMoved)
}

func read(t *testing.T, l incident.Log) {
	var all []string
	for i := range 10 {
		all = append(all, fmt.Sprint(i))
	}
	mustAppend(t, l, write(first, 0, "r1", all...))
	for _, c := range []struct {
		after uint64
		limit int
		want  []string
	}{
		{0, 0, all},
		{0, 3, all[:3]},
		{3, 3, all[3:6]},
		{9, 0, all[9:]},
		{8, 5, all[8:]},
		{10, 0, nil},
		{99, 0, nil},
		{99, 5, nil},
	} {
		events, err := l.Read(t.Context(), first, c.after, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, e := range events {
			if e.Seq != c.after+uint64(i)+1 {
				t.Errorf("read after %d: event %d has seq %d", c.after, i, e.Seq)
			}
			got = append(got, e.Body.(incident.NoteAdded).Text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("read after %d limit %d: %q, want %q", c.after, c.limit, got, c.want)
		}
	}
}

func long(t *testing.T, l incident.Log) {
	const batches, each = 12, 130
	n := 0
	for b := range batches {
		w := incident.Write{Incident: first, After: uint64(n), Request: fmt.Sprint(b)}
		for range each {
			w.Events = append(w.Events, note(fmt.Sprint(n)))
			n++
		}
		mustAppend(t, l, w)
	}
	got := texts(t, l, first)
	if len(got) != n {
		t.Fatalf("read %d of %d events", len(got), n)
	}
	for i, text := range got {
		if text != fmt.Sprint(i) {
			t.Fatalf("event %d says %q", i+1, text)
		}
	}
	for _, limit := range []int{500, 501, 1000, 1500} {
		events, err := l.Read(t.Context(), first, 1, limit)
		if err != nil || len(events) != limit || events[limit-1].Seq != uint64(limit)+1 {
			t.Errorf("limit %d gave %d events, %v", limit, len(events), err)
		}
	}
}

func written(t *testing.T, l incident.Log) {
	at := noon.Add(123456789 * time.Nanosecond)
	bodies := []incident.Body{
		incident.IncidentDeclared{Incident: first, Severity: "SEV-1", Reason: "5xx > 10 % & rising <now>", Began: noon, Rehearsal: true},
		incident.RunTaken{Holder: "a", Token: 1<<53 + 1, Return: true, Looking: []string{"promote"}},
		incident.StepFinished{Step: "s", Action: "x.y", Attempt: 2, Summary: "Größe 10 µs\n\"ok\"\u2028", Evidence: map[string]string{"k": "v"}},
		incident.RunResumed{},
		incident.ApprovalAsked{Question: "q1", Kind: incident.AskApprove, Expires: noon.Add(time.Minute), Effects: []incident.Effect{{Step: "s", What: "w"}}},
	}
	w := incident.Write{Incident: first, Request: "r1"}
	for _, b := range bodies {
		w.Events = append(w.Events, incident.Event{Time: at, Actor: incident.Bot, Via: &incident.Via{Face: "slack", ID: "U0ALICE"}, Run: "failover-1", Body: b})
	}
	mustAppend(t, l, w)
	events, err := l.Read(t.Context(), first, 0, 0)
	if err != nil || len(events) != len(bodies) {
		t.Fatalf("read %d events, %v", len(events), err)
	}
	for i, e := range events {
		if !e.Time.Equal(at) || e.Actor != incident.Bot || e.Seq != uint64(i)+1 {
			t.Errorf("event %d is %+v", i+1, e)
		}
		want, err := incident.Event{Seq: e.Seq, Time: at, Actor: incident.Bot, Via: &incident.Via{Face: "slack", ID: "U0ALICE"}, Run: "failover-1", Prev: e.Prev, Body: bodies[i]}.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.MarshalJSON()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("event %d:\n got %s (%v)\nwant %s", i+1, got, err, want)
		}
	}
}

// unknown: an event of a later version keeps all it says when it is appended in a
// new place; only its number and what chains it change.
func unknown(t *testing.T, l incident.Log) {
	raws := []string{
		`{"seq":7,"time":"2026-03-14T12:00:00Z","type":"QuantumFlip","actor":"U9","big":12345678901234567890,"b":1.50}`,
		`{ "type" : "Spaced",  "seq":8, "time":"2026-03-14T12:00:00Z", "html":"<a href='x'>&</a>", "esc":"\u003c\/ü\u0000", "prev":"0000" }`,
	}
	w := incident.Write{Incident: first, Request: "r1"}
	for _, raw := range raws {
		var e incident.Event
		if err := e.UnmarshalJSON([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		w.Events = append(w.Events, e)
	}
	mustAppend(t, l, w)
	events, err := l.Read(t.Context(), first, 0, 0)
	if err != nil || len(events) != len(raws) {
		t.Fatalf("read %d events, %v", len(events), err)
	}
	if err := incident.Verify(events); err != nil {
		t.Error(err)
	}
	for i, e := range events {
		u, ok := e.Body.(incident.Unknown)
		if !ok || e.Seq != uint64(i)+1 {
			t.Fatalf("event %d was read as %+v", i+1, e)
		}
		if !bytes.Equal(u.Raw, e.Raw()) {
			t.Errorf("event %d is stored as %s and carried as %s", i+1, e.Raw(), u.Raw)
		}
		was, is := map[string]json.RawMessage{}, map[string]json.RawMessage{}
		if err := errors.Join(json.Unmarshal([]byte(raws[i]), &was), json.Unmarshal(u.Raw, &is)); err != nil {
			t.Fatal(err)
		}
		for _, m := range []map[string]json.RawMessage{was, is} {
			for _, key := range []string{"seq", "prev", "format"} {
				delete(m, key)
			}
		}
		same := func(a, b json.RawMessage) bool {
			var x, y any
			return bytes.Equal(a, b) || json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x == y
		}
		if !maps.EqualFunc(was, is, same) {
			t.Errorf("event %d:\n got %s\nwant %s", i+1, is, was)
		}
	}
}

func big(t *testing.T, l incident.Log) {
	plan, err := json.Marshal(map[string]string{"steps": strings.Repeat("promote the database, ", 1<<20/22)})
	if err != nil {
		t.Fatal(err)
	}
	w := incident.Write{Incident: first, Request: "r1", Events: []incident.Event{
		{Time: noon, Actor: incident.Bot, Body: incident.RunBegun{Digest: "d", Plan: plan}},
		note("after it"),
	}}
	mustAppend(t, l, w)
	mustAppend(t, l, write(first, 2, "r2", "and more"))
	events, err := l.Read(t.Context(), first, 0, 0)
	if err != nil || len(events) != 3 {
		t.Fatalf("read %d events, %v", len(events), err)
	}
	if p, ok := events[0].Body.(incident.RunBegun); !ok || !bytes.Equal(p.Plan, plan) {
		t.Errorf("the plan did not survive: %T of %d bytes, want %d", events[0].Body, len(p.Plan), len(plan))
	}
}

// patience is how long a test waits for what must happen, before it is called
// broken instead of hanging. Nothing is measured by it.
const patience = 30 * time.Second

var errTooLong = errors.New("nothing came")

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errTooLong)
	t.Cleanup(cancel)
	return ctx
}

func waitThere(t *testing.T, l incident.Log) {
	mustAppend(t, l, write(first, 0, "r1", "a", "b"))
	for _, after := range []uint64{0, 1} {
		if err := l.Wait(patient(t), first, after); err != nil {
			t.Errorf("wait after %d: %v", after, err)
		}
	}
}

func waitAppend(t *testing.T, l incident.Log) {
	ctx := patient(t)
	// A reader that follows sees each event of a writer that goes on only when
	// the reader has seen the last one: no wake-up may be missed.
	const many = 30
	seen := make(chan uint64)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(seen)
		for last := uint64(0); last < many; {
			if err := l.Wait(ctx, first, last); err != nil {
				t.Errorf("wait after %d: %v", last, err)
				return
			}
			events, err := l.Read(ctx, first, last, 0)
			if err != nil {
				t.Errorf("read after %d: %v", last, err)
				return
			}
			for _, e := range events {
				last = e.Seq
				seen <- last
			}
		}
	})
	for i := range uint64(many) {
		mustAppend(t, l, write(first, i, fmt.Sprint("r", i), "x"))
		if got, ok := <-seen; !ok || got != i+1 {
			t.Fatalf("saw event %d, want %d", got, i+1)
		}
	}
	wg.Wait()

	// Several who wait at once all wake.
	woken := make(chan error, 5)
	for range cap(woken) {
		wg.Go(func() { woken <- l.Wait(ctx, second, 0) })
	}
	mustAppend(t, l, write(second, 0, "r", "x"))
	wg.Wait()
	for range cap(woken) {
		if err := <-woken; err != nil {
			t.Error(err)
		}
	}
}

func waitOther(t *testing.T, l incident.Log) {
	mustAppend(t, l, write(first, 0, "r1", "a"))
	ctx, cancel := context.WithCancelCause(patient(t))
	stop := errors.New("enough")
	early := make(chan error, 1)
	var wg sync.WaitGroup
	// It waits for event 4 and may return early, but then the timeline is shorter.
	wg.Go(func() {
		for {
			if err := l.Wait(ctx, first, 3); err != nil {
				early <- err
				return
			}
			events, err := l.Read(patient(t), first, 3, 0)
			if err != nil || len(events) > 0 {
				early <- fmt.Errorf("event 4 came: %v, %w", events, err)
				return
			}
		}
	})
	mustAppend(t, l, write(second, 0, "r1", "b", "c", "d", "e"))
	mustAppend(t, l, write(first, 1, "r2", "b", "c"))
	// One who waits for less is not held up by it.
	if err := l.Wait(patient(t), first, 1); err != nil {
		t.Error(err)
	}
	cancel(stop)
	wg.Wait()
	wantErr(t, <-early, stop)
}

func waitEnds(t *testing.T, l incident.Log) {
	stop := errors.New("the bot is shutting down")
	ctx, cancel := context.WithCancelCause(patient(t))
	ended := make(chan error, 1)
	go func() { ended <- l.Wait(ctx, first, 0) }()
	cancel(stop)
	wantErr(t, <-ended, stop)
	wantErr(t, l.Wait(ctx, first, 0), stop) // ended before it began
	// Nobody is harmed by the one who left.
	mustAppend(t, l, write(first, 0, "r1", "a"))
	if err := l.Wait(patient(t), first, 0); err != nil {
		t.Error(err)
	}
}

func durability(t *testing.T, l incident.Log) {
	d, err := l.Durability(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Server == "" || len(strings.Fields(d.Says)) < 4 || !strings.HasSuffix(d.Says, ".") {
		t.Errorf("durability says too little: %+v", d)
	}
	if d.Volatile && (d.AppendOnly || d.Fsync != "") {
		t.Errorf("durability contradicts itself: %+v", d)
	}
}

func secured(t *testing.T, l incident.Log) {
	plain := mustAppend(t, l, write(first, 0, "r0", "a"))
	if plain.Secured != (incident.Secured{}) {
		t.Errorf("secured without being asked: %+v", plain.Secured)
	}
	d, err := l.Durability(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := write(first, 1, "r1", "b")
	w.Secure = true
	for _, repeat := range []bool{false, true} {
		got := mustAppend(t, l, w)
		if got.Seq != 2 || got.Repeat != repeat {
			t.Errorf("secured append returned %+v", got)
		}
		if got.Secured.How == "" {
			t.Error("it does not say how, or why not")
		}
		if d.Volatile && got.Secured.Local || got.Secured.Replicas > d.Replicas {
			t.Errorf("on %q it claims %+v", d.Says, got.Secured)
		}
	}
	wantTexts(t, l, first, "a", "b")
}
