package incident_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
)

const id = incident.ID("INC-2026-0001")

var noon = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

// wrapped is a Log with single calls of it changed.
type wrapped struct {
	incident.Log
	append func(ctx context.Context, w incident.Write) (incident.Written, error)
	read   func(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error)
}

func (l *wrapped) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	if l.append != nil {
		return l.append(ctx, w)
	}
	return l.Log.Append(ctx, w)
}

func (l *wrapped) Read(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
	if l.read != nil {
		return l.read(ctx, id, after, limit)
	}
	return l.Log.Read(ctx, id, after, limit)
}

func note(text string) incident.Event {
	return incident.Event{Time: noon, Actor: "alice", Body: incident.NoteAdded{Text: text}}
}

func notes(texts ...string) incident.Write {
	var w incident.Write
	for _, text := range texts {
		w.Events = append(w.Events, note(text))
	}
	return w
}

// write is somebody else's append, past every Book.
func write(t *testing.T, log incident.Log, texts ...string) {
	t.Helper()
	events, err := log.Read(t.Context(), id, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := notes(texts...)
	w.Incident, w.After, w.Request = id, uint64(len(events)), fmt.Sprint("somebody else ", len(events))
	if _, err := log.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

func texts(t *testing.T, log incident.Log) []string {
	t.Helper()
	events, err := log.Read(t.Context(), id, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i, e := range events {
		if e.Seq != uint64(i)+1 {
			t.Errorf("event %d has seq %d", i+1, e.Seq)
		}
		out = append(out, e.Body.(incident.NoteAdded).Text)
	}
	return out
}

func wantTexts(t *testing.T, log incident.Log, want ...string) {
	t.Helper()
	if got := texts(t, log); !slices.Equal(got, want) {
		t.Errorf("the timeline is %q, want %q", got, want)
	}
}

// seen is what the Book shows.
func seen(t *testing.T, b *incident.Book) (seq uint64, notes int) {
	t.Helper()
	if err := b.View(t.Context(), id, func(s *incident.State) { seq, notes = s.Seq, s.Notes }); err != nil {
		t.Fatal(err)
	}
	return seq, notes
}

func TestADecisionIsTakenAgainWhenSomebodyElseWasFirst(t *testing.T) {
	memory := enginetest.NewMemory()
	write(t, memory, "first")
	log := &wrapped{Log: memory}
	others := []string{"they were quicker", "and once more"}
	log.append = func(ctx context.Context, w incident.Write) (incident.Written, error) {
		if len(others) > 0 { // between the decision and its append
			write(t, memory, others[0])
			others = others[1:]
		}
		return memory.Append(ctx, w)
	}
	book := incident.NewBook(log)
	var saw []int
	got, err := book.Decide(t.Context(), id, func(s *incident.State) (incident.Write, error) {
		saw = append(saw, s.Notes)
		return notes(fmt.Sprintf("I saw %d", s.Notes), "and went on"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(saw, []int{1, 2, 3}) || got.Seq != 5 || got.Repeat {
		t.Errorf("decided on %v notes, written %+v; want on 1, 2 and 3, up to event 5", saw, got)
	}
	wantTexts(t, memory, "first", "they were quicker", "and once more", "I saw 3", "and went on")
	if seq, n := seen(t, book); seq != 5 || n != 5 {
		t.Errorf("the book stands at event %d with %d notes", seq, n)
	}
}

func TestADecisionIsWrittenRightBehindWhatItSaw(t *testing.T) {
	memory := enginetest.NewMemory()
	write(t, memory, "first")
	if _, err := memory.Acquire(t.Context(), id, incident.Bid{Holder: "one", Now: noon, TTL: time.Minute, Above: 6}); err != nil {
		t.Fatal(err)
	}
	var got incident.Write
	log := &wrapped{Log: memory, append: func(ctx context.Context, w incident.Write) (incident.Written, error) {
		got = w
		return memory.Append(ctx, w)
	}}
	_, err := incident.NewBook(log).Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
		w := notes("second", "third")
		w.Fence, w.Secure, w.Incident, w.After = 7, true, "INC-1999-0009", 99 // the last two are not the caller's
		return w, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Incident != id || got.After != 1 || got.Fence != 7 || !got.Secure || got.Prev == "" {
		t.Errorf("appended %+v", got)
	}
	if got.Request == "" {
		t.Error("the write has no request, so it cannot be known again after a lost answer")
	}
}

func TestTwoDecisionsHaveTwoRequests(t *testing.T) {
	memory := enginetest.NewMemory()
	var requests []string
	log := &wrapped{Log: memory, append: func(ctx context.Context, w incident.Write) (incident.Written, error) {
		requests = append(requests, w.Request)
		return memory.Append(ctx, w)
	}}
	book := incident.NewBook(log)
	for range 2 {
		if _, err := book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) { return notes("the same words"), nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(requests) != 2 || requests[0] == requests[1] {
		t.Errorf("requests %q", requests)
	}
	wantTexts(t, memory, "the same words", "the same words")
}

func TestARepeatedRequestIsWrittenOnce(t *testing.T) {
	memory := enginetest.NewMemory()
	press := func(b *incident.Book) incident.Written {
		got, err := b.Decide(t.Context(), id, func(s *incident.State) (incident.Write, error) {
			w := notes(fmt.Sprintf("pressed, seen %d", s.Notes))
			w.Request = "envelope-1"
			return w, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	here, there := incident.NewBook(memory), incident.NewBook(memory)
	if got := press(here); got.Repeat || got.Seq != 1 {
		t.Errorf("the first is %+v", got)
	}
	write(t, memory, "meanwhile")
	for _, b := range []*incident.Book{here, there} { // the same replica, and another one
		if got := press(b); !got.Repeat || got.Seq != 1 {
			t.Errorf("a repeat is %+v, want what the first one got", got)
		}
		if seq, n := seen(t, b); seq != 2 || n != 2 {
			t.Errorf("after the repeat the book stands at event %d with %d notes", seq, n)
		}
	}
	wantTexts(t, memory, "pressed, seen 0", "meanwhile")
}

func TestALostAnswerToAnAppendLeavesTheBookRight(t *testing.T) {
	memory := enginetest.NewMemory()
	lost := errors.New("the connection broke")
	broken := true
	log := &wrapped{Log: memory, append: func(ctx context.Context, w incident.Write) (incident.Written, error) {
		done, err := memory.Append(ctx, w)
		if broken && err == nil {
			broken = false
			return incident.Written{}, lost
		}
		return done, err
	}}
	book := incident.NewBook(log)
	decide := func(*incident.State) (incident.Write, error) {
		w := notes("once")
		w.Request = "envelope-1"
		return w, nil
	}
	if _, err := book.Decide(t.Context(), id, decide); !errors.Is(err, lost) {
		t.Fatalf("a lost answer is %v", err)
	}
	if got, err := book.Decide(t.Context(), id, decide); err != nil || !got.Repeat {
		t.Errorf("asked again it is %+v, %v", got, err)
	}
	wantTexts(t, memory, "once")
	if seq, n := seen(t, book); seq != 1 || n != 1 {
		t.Errorf("the book stands at event %d with %d notes", seq, n)
	}
}

func TestARefusalIsReturnedAsItIsAndWritesNothing(t *testing.T) {
	memory := enginetest.NewMemory()
	write(t, memory, "first")
	book := incident.NewBook(memory)
	refusal := errors.New("you may not approve what you asked for")
	got, err := book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) { return notes("not this"), refusal })
	if err != refusal { //nolint:errorlint // the very same error is what is promised
		t.Errorf("returned %v, want it as it is", err)
	}
	if got.Seq != 1 {
		t.Errorf("the decision was about event %d, it says %d", 1, got.Seq)
	}
	wantTexts(t, memory, "first")
	if seq, n := seen(t, book); seq != 1 || n != 1 {
		t.Errorf("the book stands at event %d with %d notes", seq, n)
	}
}

func TestARefusalThatWrapsMovedIsNotTakenAgain(t *testing.T) {
	refusal := fmt.Errorf("this card is out of date: %w", incident.ErrMoved)
	asked := 0
	_, err := incident.NewBook(enginetest.NewMemory()).Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
		asked++
		return incident.Write{}, refusal
	})
	if err != refusal || asked != 1 { //nolint:errorlint // the very same error is what is promised
		t.Errorf("asked %d times, returned %v", asked, err)
	}
}

func TestDecidingOnNothingWritesNothing(t *testing.T) {
	memory := enginetest.NewMemory()
	write(t, memory, "first", "second")
	got, err := incident.NewBook(memory).Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
		return incident.Write{Request: "envelope-1"}, nil
	})
	if err != nil || got.Seq != 2 || got.Repeat {
		t.Errorf("%+v, %v", got, err)
	}
	wantTexts(t, memory, "first", "second")
}

func TestWhatTheLogRefusesIsNotInTheBook(t *testing.T) {
	memory := enginetest.NewMemory()
	for _, holder := range []string{"one", "one"} {
		if _, err := memory.Acquire(t.Context(), id, incident.Bid{Holder: holder, Now: noon, TTL: time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	book := incident.NewBook(memory)
	_, err := book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
		w := notes("from a former life")
		w.Fence = 1
		return w, nil
	})
	if !errors.Is(err, incident.ErrFenced) {
		t.Errorf("a stale holder's append is %v", err)
	}
	wantTexts(t, memory)
	if seq, n := seen(t, book); seq != 0 || n != 0 {
		t.Errorf("the book stands at event %d with %d notes", seq, n)
	}
}

func TestARecordThatCannotBeReadIsAnErrorAndNoDecision(t *testing.T) {
	gone := errors.New("connection refused")
	log := &wrapped{Log: enginetest.NewMemory(), read: func(context.Context, incident.ID, uint64, int) ([]incident.Event, error) {
		return nil, gone
	}}
	book := incident.NewBook(log)
	if _, err := book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
		t.Error("decided on what nobody knows")
		return notes("blind"), nil
	}); !errors.Is(err, gone) {
		t.Errorf("decide returned %v", err)
	}
	if err := book.View(t.Context(), id, func(*incident.State) { t.Error("showed what nobody knows") }); !errors.Is(err, gone) {
		t.Errorf("view returned %v", err)
	}
}

func TestTheBookShowsWhatOthersAppended(t *testing.T) {
	memory := enginetest.NewMemory()
	book := incident.NewBook(memory)
	if seq, n := seen(t, book); seq != 0 || n != 0 {
		t.Errorf("an empty timeline shows event %d, %d notes", seq, n)
	}
	write(t, memory, "a")
	write(t, memory, "b", "c")
	if seq, n := seen(t, book); seq != 3 || n != 3 {
		t.Errorf("after others' appends it shows event %d, %d notes", seq, n)
	}
	if _, err := incident.NewBook(memory).Decide(t.Context(), id, func(*incident.State) (incident.Write, error) { return notes("d"), nil }); err != nil {
		t.Fatal(err)
	}
	if seq, n := seen(t, book); seq != 4 || n != 4 {
		t.Errorf("after another replica's decision it shows event %d, %d notes", seq, n)
	}
}

func TestLookingAgainReadsOnlyWhatIsNew(t *testing.T) {
	memory := enginetest.NewMemory()
	var many []string
	for i := range 2500 { // more than it reads at once
		many = append(many, fmt.Sprint(i))
	}
	write(t, memory, many...)
	read := 0
	log := &wrapped{Log: memory, read: func(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
		events, err := memory.Read(ctx, id, after, limit)
		read += len(events)
		return events, err
	}}
	book := incident.NewBook(log)
	if seq, n := seen(t, book); seq != 2500 || n != 2500 || read != 2502 { // each time with the last one again
		t.Errorf("event %d, %d notes, %d events read", seq, n, read)
	}
	write(t, memory, "new")
	read = 0
	if seq, n := seen(t, book); seq != 2501 || n != 2501 || read != 2 {
		t.Errorf("event %d, %d notes, %d events read for one that is new and the one before it", seq, n, read)
	}
	read = 0
	if _, err := book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) { return notes("mine"), nil }); err != nil {
		t.Fatal(err)
	}
	if seq, _ := seen(t, book); seq != 2502 || read != 2 {
		t.Errorf("event %d, %d events read before and after its own append: each time the last one, whether it is still there", seq, read)
	}
}

func TestOneIncidentDoesNotWaitForAnother(t *testing.T) {
	book := incident.NewBook(enginetest.NewMemory())
	err := book.View(t.Context(), id, func(*incident.State) {
		// Locked here; another incident's page is not.
		if err := book.View(t.Context(), "INC-2026-0002", func(s *incident.State) {
			if s.Seq != 0 {
				t.Errorf("event %d", s.Seq)
			}
		}); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestManyWhoDecideAtOnceAllGetTheirWord(t *testing.T) {
	memory := enginetest.NewMemory()
	books := []*incident.Book{incident.NewBook(memory), incident.NewBook(memory), incident.NewBook(memory)}
	var all sync.WaitGroup
	const each = 20
	for i, b := range books {
		for j := range each {
			all.Go(func() {
				_, err := b.Decide(t.Context(), id, func(s *incident.State) (incident.Write, error) {
					return notes(fmt.Sprintf("%d/%d", i, j), fmt.Sprint(s.Notes)), nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	got := texts(t, memory)
	if len(got) != len(books)*each*2 {
		t.Fatalf("%d notes", len(got))
	}
	said := map[string]bool{}
	for i := 0; i < len(got); i += 2 {
		said[got[i]] = true
		if got[i+1] != fmt.Sprint(i) {
			t.Errorf("the decision at event %d saw %s notes", i+1, got[i+1])
		}
	}
	if len(said) != len(books)*each {
		t.Errorf("%d different words, want %d", len(said), len(books)*each)
	}
}

func TestAFollowerSeesEachEventOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := enginetest.NewMemory()
		var early []string
		for i := range 1500 { // more than it is handed at once
			early = append(early, fmt.Sprint(i))
		}
		write(t, memory, early...)
		stop := errors.New("the bot is shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		var got []uint64
		ended := make(chan error, 1)
		go func() {
			ended <- incident.NewBook(memory).Follow(ctx, incident.RealClock{}, id, 10, func(events []incident.Event) error {
				if len(events) == 0 {
					t.Error("handed nothing")
				}
				for _, e := range events {
					got = append(got, e.Seq)
				}
				return nil
			})
		}()
		for i := range 5 {
			synctest.Wait()
			if want := 1490 + 2*i; len(got) != want {
				t.Fatalf("saw %d events, want %d", len(got), want)
			}
			write(t, memory, "x", "y")
		}
		synctest.Wait()
		cancel(stop)
		if err := <-ended; !errors.Is(err, stop) {
			t.Errorf("it ended with %v, want the cause", err)
		}
		for i, seq := range got {
			if seq != uint64(i)+11 {
				t.Fatalf("event %d came as number %d", seq, i+11)
			}
		}
		if len(got) != 1500 {
			t.Errorf("saw %d events, want 1500", len(got))
		}
	})
}

func TestAFollowerEndsWithItsOwnError(t *testing.T) {
	memory := enginetest.NewMemory()
	write(t, memory, "a")
	enough := errors.New("enough")
	calls := 0
	err := incident.NewBook(memory).Follow(t.Context(), incident.RealClock{}, id, 0, func([]incident.Event) error {
		calls++
		return enough
	})
	if err != enough || calls != 1 { //nolint:errorlint // the very same error is what is promised
		t.Errorf("ended with %v after %d calls", err, calls)
	}
	gone := errors.New("connection refused")
	log := &wrapped{Log: memory, read: func(context.Context, incident.ID, uint64, int) ([]incident.Event, error) { return nil, gone }}
	err = incident.NewBook(log).Follow(t.Context(), incident.RealClock{}, id, 0, func([]incident.Event) error { return nil })
	if !errors.Is(err, gone) {
		t.Errorf("a record that cannot be read ends it with %v", err)
	}
}

// counting is a clock on which somebody is busy; it notes when that ends.
type counting struct {
	incident.RealClock
	mu   sync.Mutex
	idle int
}

func (c *counting) Idle() func() {
	c.mu.Lock()
	c.idle++
	c.mu.Unlock()
	return func() {
		c.mu.Lock()
		c.idle--
		c.mu.Unlock()
	}
}

func TestAFollowerIsIdleOnlyWhileNothingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, clock := enginetest.NewMemory(), &counting{}
		ctx, cancel := context.WithCancel(t.Context())
		idle := func() int {
			clock.mu.Lock()
			defer clock.mu.Unlock()
			return clock.idle
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = incident.NewBook(memory).Follow(ctx, clock, id, 0, func([]incident.Event) error {
				if n := idle(); n != 0 {
					t.Errorf("idle %d times while it has events in hand", n)
				}
				return nil
			})
		}()
		for range 3 {
			synctest.Wait()
			if n := idle(); n != 1 {
				t.Errorf("idle %d times while nothing comes", n)
			}
			write(t, memory, "x")
		}
		cancel()
		<-ended
		if n := idle(); n != 0 {
			t.Errorf("it ended idle %d times", n)
		}
	})
}

// While a secured append waits for the disks of others, everybody else looks, and
// decides what does not wait for them.
func TestASecuredAppendHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := enginetest.NewMemory()
		write(t, memory, "first")
		answer := make(chan struct{})
		log := &wrapped{Log: memory, append: func(ctx context.Context, w incident.Write) (incident.Written, error) {
			got, err := memory.Append(ctx, w)
			if w.Secure {
				<-answer // written, and not yet confirmed by the replicas
			}
			return got, err
		}}
		book := incident.NewBook(log)
		ended := make(chan error, 1)
		go func() {
			_, err := book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
				w := notes("second")
				w.Secure = true
				return w, nil
			})
			ended <- err
		}()
		synctest.Wait()
		if seq, _ := seen(t, book); seq != 2 {
			t.Errorf("the book shows event %d", seq)
		}
		book.Known(id, func(s *incident.State) {
			if s.Seq != 2 {
				t.Errorf("event %d is known", s.Seq)
			}
		})
		if _, err := book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) { return notes("third"), nil }); err != nil {
			t.Error(err)
		}
		close(answer)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if seq, n := seen(t, book); seq != 3 || n != 3 {
			t.Errorf("the book stands at event %d with %d notes", seq, n)
		}
		wantTexts(t, memory, "first", "second", "third")
	})
}

// What was last read can be looked at while the record does not answer a read.
func TestWhatIsKnownIsShownWhileTheRecordHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := enginetest.NewMemory()
		write(t, memory, "first")
		var hangs atomic.Bool
		log := &wrapped{Log: memory, read: func(ctx context.Context, of incident.ID, after uint64, limit int) ([]incident.Event, error) {
			if hangs.Load() {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
			return memory.Read(ctx, of, after, limit)
		}}
		book := incident.NewBook(log)
		seen(t, book)
		hangs.Store(true)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- book.View(ctx, id, func(*incident.State) {}) }()
		synctest.Wait()
		book.Known(id, func(s *incident.State) {
			if s.Seq != 1 || s.Notes != 1 {
				t.Errorf("known are event %d and %d notes", s.Seq, s.Notes)
			}
		})
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the look ended with %v", err)
		}
	})
}
