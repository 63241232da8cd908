package incident

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Book keeps the State of every timeline it is asked about in step with the
// Log, so that looking costs what is new and not what is old. It is safe for
// concurrent use; one Book serves the whole process.
//
// With each look the Book checks that the record still holds what it held, and
// that what is new follows from it. Where it does not, it says so on the timeline
// (HistoryDiverged), and from then on refuses every write that could change the
// world, until a person has decided.
type Book struct {
	log Log

	mu    sync.Mutex
	pages map[ID]*page
}

// page is one timeline. Whoever reads or appends has the turn; what it holds changes
// under both locks, so that it can be looked at while somebody waits for the record.
type page struct {
	turn sync.Mutex
	mu   sync.Mutex
	*history
	open atomic.Bool // as far as it was read
}

// history is a timeline as this process knows it.
type history struct {
	state *State
	// digests are those of all events, raw their bytes from number from on.
	digests []Digest
	raw     [][]byte
	from    uint64
	held    int // bytes in raw
}

// heldMost is how many bytes of a timeline are kept to give back what a record
// loses.
const heldMost = 8 << 20

// NewBook is an empty Book over that Log.
func NewBook(log Log) *Book {
	return &Book{log: log, pages: map[ID]*page{}}
}

// Log is the Log below.
func (b *Book) Log() Log { return b.log }

func (b *Book) page(id ID) *page {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[id]
	if p == nil {
		p = &page{history: newHistory(id)}
		b.pages[id] = p
	}
	return p
}

func newHistory(id ID) *history {
	h := &history{state: NewState(), from: 1}
	h.state.ID = id
	return h
}

// head is where it has come to.
func (h *history) head() Position {
	n := uint64(len(h.digests))
	if n == 0 {
		return Position{}
	}
	return Position{n, h.digests[n-1]}
}

// take adds one event that follows.
func (h *history) take(e Event) error {
	if err := follows(h.head(), e); err != nil {
		return err
	}
	h.state.Apply(e)
	h.digests = append(h.digests, e.digest)
	h.raw, h.held = append(h.raw, e.raw), h.held+len(e.raw)
	for h.held > heldMost && len(h.raw) > 1 {
		h.held -= len(h.raw[0])
		h.raw[0] = nil
		h.raw, h.from = h.raw[1:], h.from+1
	}
	return nil
}

// errElsewhere says that the record is not what the page holds.
var errElsewhere = errors.New("the record has gone on elsewhere")

// catchUp reads what is new, and with it the last event again: it has to be there
// still.
func (h *history) catchUp(ctx context.Context, log Timelines, id ID, mu sync.Locker) error {
	const batch = 1000
	for {
		head := h.head()
		again := min(head.Seq, 1)
		events, err := log.Read(ctx, id, head.Seq-again, batch)
		if err != nil {
			return err // it says what was read
		}
		got := len(events)
		if again == 1 {
			if got == 0 || events[0].Position() != head {
				return errElsewhere
			}
			events = events[1:]
		}
		for i, e := range events {
			mu.Lock()
			err := h.take(e)
			mu.Unlock()
			if err != nil && i == 0 && again == 1 {
				return errElsewhere
			} else if err != nil {
				return fmt.Errorf("read the timeline of %s: %w", id, err)
			}
		}
		if got < batch {
			return nil
		}
	}
}

// sync catches up, for whoever has the turn. Where the record has gone on elsewhere it takes the record for
// what is so, and says on it what this replica holds beside.
func (b *Book) sync(ctx context.Context, p *page, id ID) error {
	defer func() { p.open.Store(p.state.open()) }()
	err := p.catchUp(ctx, b.log, id, &p.mu)
	if !errors.Is(err, errElsewhere) {
		return err
	}
	found := newHistory(id)
	if err := found.catchUp(ctx, b.log, id, &sync.Mutex{}); err != nil {
		return err
	}
	diverged := p.against(found)
	diverged.Incident, diverged.Open = id, p.state.open() || found.state.open()
	if diverged.Common == uint64(len(found.digests)) && diverged.Common == uint64(len(p.digests)) {
		return nil // it is the same after all: the read met a moment of change
	}
	mine := p.history
	p.put(found)
	if d := p.state.Diverged; d != nil && d.Held >= diverged.Held {
		return nil // another replica that knew as much has said it
	}
	for {
		w := Write{
			Incident: id, After: p.head().Seq, Prev: p.head().Digest, Request: rand.Text(),
			Events: []Event{{Time: p.later(mine.state), Actor: Bot, Body: diverged}},
		}
		_, err := b.log.Append(ctx, w)
		if err == nil || errors.Is(err, ErrMoved) {
			if err := p.catchUp(ctx, b.log, id, &p.mu); err != nil {
				// What the record lacks is still held, and told at the next look.
				p.put(mine)
				return err
			}
		}
		if errors.Is(err, ErrMoved) && (p.state.Diverged == nil || p.state.Diverged.Held < diverged.Held) {
			diverged.Found = p.head().Seq
			continue
		}
		if err != nil && !errors.Is(err, ErrMoved) {
			p.put(mine)
			return fmt.Errorf("say on the timeline of %s that it lost events: %w", id, err)
		}
		return nil
	}
}

func (p *page) put(h *history) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.history = h
}

// later is a time that is before none of both: the Book has no clock.
func (h *history) later(s *State) (at time.Time) {
	if at = h.state.Last; s.Last.After(at) {
		at = s.Last
	}
	return at
}

// against says what it holds that found has not.
func (h *history) against(found *history) HistoryDiverged {
	d := HistoryDiverged{Held: uint64(len(h.digests)), Found: uint64(len(found.digests))}
	for d.Common < min(d.Held, d.Found) && h.digests[d.Common] == found.digests[d.Common] {
		d.Common++
	}
	for i, raw := range h.raw {
		if h.from+uint64(i) > d.Common {
			d.Lost = append(d.Lost, json.RawMessage(raw))
		}
	}
	return d
}

// View catches up with the timeline and shows its State to see, which must
// neither change nor keep it.
func (b *Book) View(ctx context.Context, id ID, see func(*State)) error {
	p := b.page(id)
	p.turn.Lock()
	err := b.sync(ctx, p, id)
	p.turn.Unlock()
	if err != nil {
		return err
	}
	p.look(see)
	return nil
}

// Known shows the State of a timeline as it was when it was last read, without asking
// the record; see must neither change nor keep it.
func (b *Book) Known(id ID, see func(*State)) { b.page(id).look(see) }

func (p *page) look(see func(*State)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	see(p.state)
}

// Open are the incidents that are not closed, oldest first: those of the register, and
// those that this process has seen open and that the register lacks. These are looked
// at again, so a record that has lost them is told of it.
func (b *Book) Open(ctx context.Context) ([]ID, error) {
	open, err := b.log.Open(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range b.seenOpen() {
		if slices.Contains(open, id) {
			continue
		}
		still := false
		if err := b.View(ctx, id, func(s *State) { still = s.open() }); err != nil {
			return nil, err
		}
		if still {
			open = append(open, id)
		}
	}
	return open, nil
}

func (b *Book) seenOpen() (ids []ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, p := range b.pages {
		if id != PlatformLog && p.open.Load() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Decide catches up, asks decide what to add, and appends it right behind what
// decide saw. If somebody else was first it does so again with the new State.
// When decide returns no events nothing is written; its error is returned as it
// is. decide fills Events (without Seq), and Request, Fence or Secure where they
// matter; it is called with the State locked and must not keep it. A decision
// that other replicas may repeat names its Request; for the others one is made.
// Events of a run that name none belong to the one that is current or that the
// same write begins.
//
// While the history has diverged, what could change the world is refused with
// ErrDiverged, and so is everything on a timeline that cannot be (State.Damage).
func (b *Book) Decide(ctx context.Context, id ID, decide func(*State) (Write, error)) (Written, error) {
	p := b.page(id)
	p.turn.Lock()
	defer p.turn.Unlock()
	const patience = 3 // a Log that refuses although nothing came has lost something
	for refused, seen := 0, uint64(0); ; {
		if err := b.sync(ctx, p, id); err != nil {
			return Written{}, err
		}
		if refused > 0 && p.state.Seq > seen {
			refused = 0
		}
		if seen = p.state.Seq; refused == patience {
			return Written{}, fmt.Errorf("append to the timeline of %s after event %d: %w", id, seen, ErrLost)
		}
		w, err := p.next(id, decide)
		if err != nil || len(w.Events) == 0 {
			return Written{Seq: seen}, err
		}
		done, err := b.append(ctx, p, w)
		switch {
		case errors.Is(err, ErrMoved):
			refused++
			continue
		case err != nil:
			return Written{}, err // it says what was written to
		case done.Repeat:
			return done, b.sync(ctx, p, id)
		}
		return done, p.wrote(done.Events)
	}
}

// next is what decide adds to what the page holds.
func (p *page) next(id ID, decide func(*State) (Write, error)) (Write, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, err := decide(p.state)
	if err != nil || len(w.Events) == 0 {
		return Write{}, err
	}
	if err := p.state.refuses(w.Events); err != nil {
		return Write{}, err
	}
	w.Incident, w.After, w.Prev = id, p.state.Seq, p.head().Digest
	if w.Request == "" {
		w.Request = rand.Text()
	}
	p.state.assign(w.Events)
	return w, nil
}

// append writes, for whoever has the turn. One that waits for the disks of others lets
// everybody else look and decide meanwhile.
func (b *Book) append(ctx context.Context, p *page, w Write) (Written, error) {
	if w.Secure {
		p.turn.Unlock()
		defer p.turn.Lock()
	}
	return b.log.Append(ctx, w)
}

// wrote takes in what was just appended, without reading it again; somebody may have
// read it meanwhile.
func (p *page) wrote(stored []Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range stored {
		if e.Seq <= p.state.Seq {
			continue
		}
		if err := p.take(e); err != nil {
			return err
		}
	}
	p.open.Store(p.state.open())
	return nil
}

// ends says that an event only stops or closes what it belongs to, or is a remark:
// that may be added to a timeline whatever else it holds.
func ends(b Body) bool {
	switch b.(type) {
	case RunAborted, IncidentResolved, ApprovalWithdrawn, NoteAdded,
		StepFinished, StepFailed, ChangeMissed, RunTaken, DurabilityFound: // and what had left
		return true
	}
	return false
}

// assign gives events of a run that name none their run.
func (s *State) assign(events []Event) {
	run := s.Run.Name
	for i := range events {
		switch b := events[i].Body.(type) {
		case RunBegun:
			if events[i].Run == "" {
				events[i].Run = s.NextRun(b.Kind)
			}
			run = events[i].Run
		case IncidentDeclared, DurabilityFound, NoteAdded, TaskOpened, TaskReminded, TaskClosed, HistoryDiverged, HistoryRepaired, Unknown,
			AssessmentMade, SignalObserved, FailoverProposed, ProposalAnswered, StandbyChanged, DrillHeld, PointOpened, PointClosed,
			ConfirmationAsked, ConfirmationGiven:
		default:
			if events[i].Run == "" {
				events[i].Run = run
			}
		}
	}
}

// refuses says whether these events may be added to a timeline whose history has
// diverged, or that cannot be: only what says how something ended that had left,
// what people note, and the repair.
func (s *State) refuses(events []Event) error {
	if s.Damage != "" && !slices.ContainsFunc(events, func(e Event) bool { return !ends(e.Body) }) {
		return nil
	}
	if s.Damage != "" {
		return fmt.Errorf("the timeline of %s cannot be: %s: %w", s.ID, s.Damage, ErrChain)
	}
	if s.Diverged == nil {
		return nil
	}
	for _, e := range events {
		switch e.Body.(type) {
		case HistoryRepaired:
			return nil
		case NoteAdded, StepFinished, StepFailed, ChangeMissed, DurabilityFound, RunTaken, Unknown:
		default:
			if e.Restored == 0 {
				return fmt.Errorf("add %s to %s: %w", e.Body.Type(), s.ID, ErrDiverged)
			}
		}
	}
	return nil
}

// Follow hands the events after seq to see, in order and each once, as they come,
// until ctx ends or see or the Log returns an error. The caller is busy by its
// clock; it is idle while nothing comes.
func (b *Book) Follow(ctx context.Context, clock Clock, id ID, after uint64, see func([]Event) error) error {
	for {
		events, err := b.log.Read(ctx, id, after, 1000)
		if err != nil {
			return fmt.Errorf("follow %s: %w", id, err)
		}
		if len(events) > 0 {
			after = events[len(events)-1].Seq
			if err := see(events); err != nil {
				return err
			}
			continue
		}
		resume := clock.Idle()
		err = b.log.Wait(ctx, id, after)
		resume()
		if err != nil {
			return err
		}
	}
}
