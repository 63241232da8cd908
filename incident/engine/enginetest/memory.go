// Package enginetest holds the suites that every [incident.Log] and every action
// must pass, and a Log in memory for tests of what stands on one.
package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	count     map[int]int   // year: last number given
	opened    map[string]incident.ID
	current   reservation
}

type reservation struct {
	id incident.ID
	at time.Time
}

type timeline struct {
	events   [][]byte
	requests map[string]uint64
	changed  chan struct{} // closed and replaced by each append
	fence    uint64
	lease    lease
}

type lease struct {
	holder string
	token  uint64
	until  time.Time
}

// NewMemory is an empty Log.
func NewMemory() *Memory {
	return &Memory{
		timelines: map[incident.ID]*timeline{},
		count:     map[int]int{},
		opened:    map[string]incident.ID{},
	}
}

// Open reserves the next id of the year; see incident.Log.
func (m *Memory) Open(ctx context.Context, now time.Time, request string) (incident.ID, error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	if request == "" {
		return "", errors.New("open an incident: the request has no id")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if id, ok := m.opened[request]; ok {
		return id, nil
	}
	if cur := m.current; cur.id != "" {
		if len(m.timeline(cur.id).events) > 0 || now.Sub(cur.at) < time.Minute {
			return cur.id, incident.ErrOpen
		}
		m.opened[request], m.current.at = cur.id, now
		return cur.id, nil
	}
	year := now.UTC().Year()
	m.count[year]++
	id := incident.NewID(year, m.count[year])
	m.opened[request], m.current = id, reservation{id, now}
	return id, nil
}

// Current is the open incident or "".
func (m *Memory) Current(ctx context.Context) (incident.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current.id, context.Cause(ctx)
}

// Close lets the next incident open.
func (m *Memory) Close(ctx context.Context, id incident.ID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current.id == id {
		m.current = reservation{}
	}
	return context.Cause(ctx)
}

// Incidents are the ids with a timeline, in the order of their first event.
func (m *Memory) Incidents(ctx context.Context) ([]incident.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]incident.ID(nil), m.order...), context.Cause(ctx)
}

// Append adds events or nothing; see incident.Log. The fence is looked at before
// the request: who has lost the lease must stop, also when its write was there.
func (m *Memory) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	if err := context.Cause(ctx); err != nil {
		return incident.Written{}, err
	}
	raw, err := encode(w)
	if err != nil {
		return incident.Written{}, err
	}
	var secured incident.Secured
	if w.Secure {
		secured.How = "kept in memory only"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.timeline(w.Incident)
	if w.Fence != 0 && w.Fence < t.fence {
		return incident.Written{}, fmt.Errorf("append to %s with lease %d: %w", w.Incident, w.Fence, incident.ErrFenced)
	}
	if seq, ok := t.requests[w.Request]; ok {
		return incident.Written{Seq: seq, Repeat: true, Secured: secured}, nil
	}
	if top := uint64(len(t.events)); w.After != top {
		return incident.Written{}, fmt.Errorf("append to %s after event %d: %w", w.Incident, w.After, incident.ErrMoved)
	}
	if len(t.events) == 0 {
		m.order = append(m.order, w.Incident)
	}
	t.events = append(t.events, raw...)
	seq := uint64(len(t.events))
	t.requests[w.Request] = seq
	close(t.changed)
	t.changed = make(chan struct{})
	return incident.Written{Seq: seq, Secured: secured}, nil
}

// encode is every event as JSON with its seq, or the reason why it cannot be
// written.
func encode(w incident.Write) ([][]byte, error) {
	switch {
	case w.Incident == "":
		return nil, errors.New("append: the write names no incident")
	case w.Request == "":
		return nil, fmt.Errorf("append to %s: the write has no request id", w.Incident)
	case len(w.Events) == 0:
		return nil, fmt.Errorf("append to %s: the write has no events", w.Incident)
	}
	raw := make([][]byte, 0, len(w.Events))
	for i, e := range w.Events {
		e.Seq = w.After + uint64(i) + 1
		// Not json.Marshal: it would rewrite the bytes of an unknown event.
		b, err := e.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("append to %s: %w", w.Incident, err)
		}
		if !json.Valid(b) {
			return nil, fmt.Errorf("append to %s: event %d (%s) is not JSON", w.Incident, e.Seq, e.Body.Type())
		}
		raw = append(raw, append([]byte(nil), b...))
	}
	return raw, nil
}

// Read returns up to limit events after seq.
func (m *Memory) Read(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	var raw [][]byte
	if t := m.timelines[id]; t != nil && after < uint64(len(t.events)) {
		raw = t.events[after:]
	}
	m.mu.Unlock()
	if limit > 0 && limit < len(raw) {
		raw = raw[:limit]
	}
	events := make([]incident.Event, len(raw))
	for i, b := range raw {
		if err := events[i].UnmarshalJSON(b); err != nil {
			return nil, fmt.Errorf("read %s: %w", id, err)
		}
		events[i].Seq = after + uint64(i) + 1
	}
	return events, nil
}

// Wait returns as soon as there is an event after seq.
func (m *Memory) Wait(ctx context.Context, id incident.ID, after uint64) error {
	for {
		m.mu.Lock()
		t := m.timeline(id)
		top, changed := uint64(len(t.events)), t.changed
		m.mu.Unlock()
		if top > after {
			return nil
		}
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
func (m *Memory) Acquire(ctx context.Context, id incident.ID, holder string, now time.Time, ttl time.Duration) (uint64, error) {
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.timeline(id)
	if l := t.lease; l.token != 0 && l.holder != holder && now.Before(l.until) {
		return 0, fmt.Errorf("take the lease of %s: %w (%s, until %s)", id, incident.ErrLeaseHeld, l.holder, l.until.UTC().Format(time.RFC3339))
	}
	t.fence++
	t.lease = lease{holder, t.fence, now.Add(ttl)}
	return t.fence, nil
}

// Renew prolongs the lease; see incident.Log.
func (m *Memory) Renew(ctx context.Context, id incident.ID, token uint64, now time.Time, ttl time.Duration) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.timeline(id)
	if token == 0 || t.lease.token != token {
		return fmt.Errorf("renew lease %d of %s: %w", token, id, incident.ErrFenced)
	}
	t.lease.until = now.Add(ttl)
	return nil
}

// Release gives the lease back.
func (m *Memory) Release(ctx context.Context, id incident.ID, token uint64) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.timeline(id); token != 0 && t.lease.token == token {
		t.lease = lease{}
	}
	return nil
}

// timeline is the one of that id, made when it is new. The caller holds mu.
func (m *Memory) timeline(id incident.ID) *timeline {
	t := m.timelines[id]
	if t == nil {
		t = &timeline{requests: map[string]uint64{}, changed: make(chan struct{})}
		m.timelines[id] = t
	}
	return t
}

var _ incident.Log = (*Memory)(nil)
