// Package enginetest holds the suites that every [incident.Log] and every action
// must pass, and a Log in memory for tests of what stands on one.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// Memory is an incident.Log in memory. It keeps events as the bytes that another
// Log would store, so whoever reads gets a copy that has been through JSON.
// It starts no goroutine and never waits but in Wait, so it may be used under
// testing/synctest and with a pretend clock.
type Memory struct {
	mu        sync.Mutex
	timelines map[incident.ID]*timeline
	order     []incident.ID // by first event
	open      []incident.ID
	count     map[int]int // year: last number that began a timeline
	begun     map[string]incident.ID
	holder    incident.Holder
	// Ending makes the endings of new ids; incident.Ending if nil.
	Ending func() string
}

type timeline struct {
	events   []incident.Event
	requests map[string]uint64
	changed  chan struct{} // closed and replaced by each append
	fence    uint64
	lease    incident.Lease
	places   map[string]incident.Place
}

// NewMemory is an empty Log.
func NewMemory() *Memory {
	return &Memory{
		timelines: map[incident.ID]*timeline{},
		count:     map[int]int{},
		begun:     map[string]incident.ID{},
	}
}

// Reserve gives the next id of the year; see incident.Register.
func (m *Memory) Reserve(ctx context.Context, now time.Time, request string) (incident.ID, error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	if request == "" {
		return "", errors.New("open an incident: the request has no id")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if id, ok := m.begun[request]; ok {
		return id, nil
	}
	ending := incident.Ending
	if m.Ending != nil {
		ending = m.Ending
	}
	year := now.UTC().Year()
	return incident.NewID(year, m.count[year]+1, ending()), nil
}

// Incidents are the ids with a timeline, in the order of their first event.
func (m *Memory) Incidents(ctx context.Context, last int) ([]incident.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := 0
	if last > 0 {
		from = max(0, len(m.order)-last)
	}
	return slices.Clone(m.order[from:]), context.Cause(ctx)
}

// Open are those that are not closed.
func (m *Memory) Open(ctx context.Context) ([]incident.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.open), context.Cause(ctx)
}

// Holder is the run that may change things now.
func (m *Memory) Holder(ctx context.Context) (incident.Holder, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holder, context.Cause(ctx)
}

// Append adds events or nothing; see incident.Timelines. The fence is looked at
// before the request: who has lost the lease must stop, also when its write was
// there.
func (m *Memory) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	if err := context.Cause(ctx); err != nil {
		return incident.Written{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.timelines[w.Incident]
	if t == nil {
		t = newTimeline()
	}
	var secured incident.Secured
	if w.Secure {
		secured.How = "kept in memory only"
	}
	if w.Prev == "" && w.After > 0 && w.After <= uint64(len(t.events)) {
		w.Prev = t.events[w.After-1].Position().Digest
	}
	stored, err := w.Chain()
	if err != nil {
		return incident.Written{}, err
	}
	if w.Fence != 0 && w.Fence != t.fence {
		return incident.Written{}, fmt.Errorf("append to %s with lease %d: %w", w.Incident, w.Fence, incident.ErrFenced)
	}
	if seq, ok := t.requests[w.Request]; ok {
		return incident.Written{Seq: seq, Repeat: true, Secured: secured}, nil
	}
	top := uint64(len(t.events))
	if w.After != top || top > 0 && t.events[top-1].Position().Digest != w.Prev {
		return incident.Written{}, fmt.Errorf("append to %s after event %d: %w", w.Incident, w.After, incident.ErrMoved)
	}
	if err := m.claim(w, top == 0); err != nil {
		return incident.Written{}, fmt.Errorf("append to %s: %w", w.Incident, err)
	}
	m.timelines[w.Incident] = t
	t.events = append(t.events, stored...)
	seq := uint64(len(t.events))
	t.requests[w.Request] = seq
	t.wake()
	return incident.Written{Seq: seq, Events: stored, Secured: secured}, nil
}

// claim does to the register what the write asks for, or refuses the write.
func (m *Memory) claim(w incident.Write, first bool) error {
	c := w.Claims()
	free := m.holder == (incident.Holder{}) || m.holder.Incident == w.Incident && (m.holder.Run == c.Unlocks || m.holder.Run == c.Locks)
	if c.Locks != "" && !free {
		return &incident.LockedError{Holder: m.holder}
	}
	if year, n := w.Incident.Number(); first && year != 0 {
		if n <= m.count[year] && c.Opens {
			return incident.ErrTaken
		}
		m.count[year] = max(n, m.count[year])
	}
	if first && w.Incident != incident.PlatformLog {
		m.order = append(m.order, w.Incident)
		m.begun[w.Request] = w.Incident
	}
	mine := incident.Holder{Incident: w.Incident, Run: c.Unlocks}
	if c.Unlocks != "" && m.holder == mine {
		m.holder = incident.Holder{}
	}
	if c.Locks != "" {
		m.holder = incident.Holder{Incident: w.Incident, Run: c.Locks}
	}
	switch {
	case c.Closes:
		m.open = slices.DeleteFunc(m.open, func(id incident.ID) bool { return id == w.Incident })
	case (c.Opens || c.Reopens) && !slices.Contains(m.open, w.Incident):
		m.open = append(m.open, w.Incident)
		slices.SortFunc(m.open, func(a, b incident.ID) int { return slices.Index(m.order, a) - slices.Index(m.order, b) })
	}
	return nil
}

// Read returns up to limit events after seq.
func (m *Memory) Read(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	var raw []incident.Event
	if t := m.timelines[id]; t != nil && after < uint64(len(t.events)) {
		raw = t.events[after:]
	}
	m.mu.Unlock()
	if limit > 0 && limit < len(raw) {
		raw = raw[:limit]
	}
	events := make([]incident.Event, len(raw))
	for i, e := range raw {
		if err := events[i].UnmarshalJSON(e.Raw()); err != nil {
			return nil, fmt.Errorf("read %s: %w", id, err)
		}
	}
	return events, nil
}

// Load puts a timeline there as it was stored once, byte for byte, chain and all.
// It becomes neither open nor the holder of the lock.
func (m *Memory) Load(id incident.ID, events []incident.Event) error {
	if err := incident.Verify(events); err != nil {
		return fmt.Errorf("load %s: %w", id, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := newTimeline()
	t.events = slices.Clone(events)
	m.timelines[id] = t
	m.order = append(m.order, id)
	return nil
}

// SetBack takes away all events after seq, as a restore from an older copy does,
// and what they did to the register.
func (m *Memory) SetBack(id incident.ID, seq uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.timeline(id)
	t.events = t.events[:seq:seq]
	for request, at := range t.requests {
		if at > seq {
			delete(t.requests, request)
		}
	}
	t.wake()
}

func (t *timeline) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// Wait returns as soon as there is an event after seq.
func (m *Memory) Wait(ctx context.Context, id incident.ID, after uint64) error {
	for held := false; ; {
		m.mu.Lock()
		t := m.timeline(id)
		top, changed := uint64(len(t.events)), t.changed
		m.mu.Unlock()
		if top > after || held && top < after {
			return nil // more, or set back
		}
		held = top == after
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Durability of memory: none.
func (m *Memory) Durability(ctx context.Context) (incident.Durability, error) {
	return incident.Durability{
		Server:   "memory",
		Volatile: true,
		Says:     "Kept in memory only: everything is lost when this process ends.",
	}, context.Cause(ctx)
}

// Acquire takes the lease; see incident.Log.
func (m *Memory) Acquire(ctx context.Context, id incident.ID, b incident.Bid) (uint64, error) {
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.timeline(id)
	if l := t.lease; l.Token != 0 && l.Holder != b.Holder && l != b.Over {
		return 0, &incident.LeaseHeldError{Incident: id, Lease: l}
	}
	t.fence = max(t.fence, b.Above) + 1
	t.lease = incident.Lease{Holder: b.Holder, Token: t.fence, Until: until(b.Now, b.TTL)}
	return t.fence, nil
}

// until is when a lease runs out, as a Log keeps it.
func until(now time.Time, ttl time.Duration) time.Time {
	return time.UnixMilli(now.Add(ttl).UnixMilli()).UTC()
}

// Renew prolongs the lease; see incident.Log.
func (m *Memory) Renew(ctx context.Context, id incident.ID, token uint64, now time.Time, ttl time.Duration) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.timeline(id)
	if token == 0 || t.lease.Token != token {
		return fmt.Errorf("renew lease %d of %s: %w", token, id, incident.ErrFenced)
	}
	t.lease.Until = until(now, ttl)
	return nil
}

// Release gives the lease back.
func (m *Memory) Release(ctx context.Context, id incident.ID, token uint64) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.timeline(id); token != 0 && t.lease.Token == token {
		t.lease = incident.Lease{}
	}
	return nil
}

// Remember keeps where something was said.
func (m *Memory) Remember(ctx context.Context, id incident.ID, key string, p incident.Place) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.timeline(id).places[key] = p
	return context.Cause(ctx)
}

// Remembered are all places of an incident.
func (m *Memory) Remembered(ctx context.Context, id incident.ID) (map[string]incident.Place, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.timeline(id).places), context.Cause(ctx)
}

// timeline is the one of that id, made when it is new. The caller holds mu.
func (m *Memory) timeline(id incident.ID) *timeline {
	t := m.timelines[id]
	if t == nil {
		t = newTimeline()
		m.timelines[id] = t
	}
	return t
}

func newTimeline() *timeline {
	return &timeline{requests: map[string]uint64{}, changed: make(chan struct{}), places: map[string]incident.Place{}}
}

var _ incident.Log = (*Memory)(nil)

// Clone is another Log with the same events, leases and places: what is tried there
// changes nothing here.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMemory()
	for id, t := range m.timelines {
		c.timelines[id] = &timeline{
			events: slices.Clone(t.events), requests: maps.Clone(t.requests), changed: make(chan struct{}),
			fence: t.fence, lease: t.lease, places: maps.Clone(t.places),
		}
	}
	c.order, c.open = slices.Clone(m.order), slices.Clone(m.open)
	c.count, c.begun, c.holder, c.Ending = maps.Clone(m.count), maps.Clone(m.begun), m.holder, m.Ending
	return c
}
